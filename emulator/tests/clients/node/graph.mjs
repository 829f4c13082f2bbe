// The Graph client for JavaScript as an app would use it: reads, writes, follows and batches, one JSON line out.
import { BatchRequestContent, BatchResponseContent, Client, PageIterator, ResponseType } from "@microsoft/microsoft-graph-client";

const env = process.env;
const base = env.GRAPH ? { baseUrl: `${env.GRAPH}/`, customHosts: new Set([new URL(env.GRAPH).hostname]) } : {};
const client = Client.initWithMiddleware({ ...base, authProvider: { getAccessToken: async () => env.TOKEN } });
const user = `/users/${env.PERSON}`;
const out = {};

const page = await client.api(`${user}/mailFolders/inbox/messages`).select("subject,isRead").top(3).count(true).get();
let seen = 0;
await new PageIterator(client, page, () => { seen += 1; return true; }).iterate();
out.count = page["@odata.count"];
out.seen = seen;

const draft = await client.api(`${user}/messages`).post({
  subject: "From JavaScript",
  body: { contentType: "Text", content: "Hello" },
  toRecipients: [{ emailAddress: { address: env.OTHER } }],
});
await client.api(`${user}/messages/${draft.id}`).patch({ subject: "From JavaScript, again" });
await client.api(`${user}/messages/${draft.id}/send`).post({});

const message = page.value[0];
out.mime = (await client.api(`${user}/messages/${message.id}/$value`).responseType(ResponseType.TEXT).get()).includes("Message-ID");
const immutable = await client.api(`${user}/messages/${message.id}`).header("Prefer", 'IdType="ImmutableId"').get();
out.immutable = immutable.id.startsWith("AAkA");

let round = await client.api(`${user}/mailFolders/inbox/messages/delta`).select("isRead").get();
while (round["@odata.nextLink"]) round = await client.api(round["@odata.nextLink"]).get();
await client.api(`${user}/messages/${message.id}`).patch({ isRead: !message.isRead });
round = await client.api(round["@odata.deltaLink"]).get();
out.changed = round.value.map((one) => one.id === message.id);

const event = await client.api(`${user}/events`).post({
  subject: "JavaScript weekly",
  start: { dateTime: "2027-03-22T10:00:00", timeZone: "Europe/Berlin" },
  end: { dateTime: "2027-03-22T11:00:00", timeZone: "Europe/Berlin" },
  recurrence: {
    pattern: { type: "weekly", interval: 1, daysOfWeek: ["monday"] },
    range: { type: "numbered", startDate: "2027-03-22", numberOfOccurrences: 2 },
  },
});
const view = await client.api(`${user}/calendarView`)
  .query({ startDateTime: "2027-03-20T00:00:00Z", endDateTime: "2027-04-20T00:00:00Z" })
  .header("Prefer", 'outlook.timezone="Europe/Berlin"').get();
out.starts = view.value.filter((one) => one.seriesMasterId === event.id).map((one) => one.start.dateTime.slice(0, 16));

const root = env.GRAPH ?? "https://graph.microsoft.com";
const content = await new BatchRequestContent([
  { id: "1", request: new Request(`${root}/v1.0${user}/mailFolders/inbox`) },
  { id: "2", request: new Request(`${root}/v1.0${user}/calendar`), dependsOn: ["1"] },
]).getContent();
const answers = new BatchResponseContent(await client.api("/$batch").post(content));
out.batch = [answers.getResponseById("1").status, answers.getResponseById("2").status];

try {
  await client.api(`${user}/messages/AAMk`).get();
} catch (error) {
  out.error = [error.statusCode, error.code];
}
console.log(JSON.stringify(out));
