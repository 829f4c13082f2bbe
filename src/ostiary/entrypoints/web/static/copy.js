// Copy buttons: <button data-copy="id of the text">. Without script the text stays selectable in its box.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  const status = document.getElementById("copy-status");
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    status.textContent = "Copied";
  } catch {
    // Not allowed here: select the text, so that one key press copies it.
    source.focus();
    getSelection().selectAllChildren(source);
    status.textContent = "Press Ctrl+C to copy";
  }
  const label = button.textContent;
  button.textContent = status.textContent;
  setTimeout(() => { button.textContent = label; status.textContent = ""; }, 3000);
});
for (const button of document.querySelectorAll("button[data-copy]")) button.hidden = false;
