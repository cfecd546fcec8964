/** What is done inside Thunderbird, in its own JavaScript. */
import type { Marionette } from "./marionette.ts";

/** As if the person had typed the passwords and let them be kept for this run. */
export async function signIn(
  thunderbird: Marionette,
  passwords: { readonly smtp: string; readonly imap: string },
): Promise<void> {
  await thunderbird.run(
    `for (const server of MailServices.outgoingServer.servers) server.password = smtp;
     MailServices.accounts.accounts[0].incomingServer.password = imap;`,
    passwords,
  );
}

/** Sends a short message to friend@example.net through the outgoing server `key`, and closes the connection. */
export async function sendMessage(
  thunderbird: Marionette,
  options: { readonly key: string; readonly subject: string },
): Promise<void> {
  await thunderbird.run(
    `const identity = MailServices.accounts.accounts[0].defaultIdentity;
     identity.smtpServerKey = key;
     const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
     Object.assign(fields, { from: "Ann <ann@example.org>", to: "friend@example.net", subject });
     const send = Cc["@mozilla.org/messengercompose/send;1"].createInstance(Ci.nsIMsgSend);
     await new Promise((resolve, reject) => {
       const listener = {
         QueryInterface: ChromeUtils.generateQI(["nsIMsgSendListener"]),
         onStartSending() {}, onSendProgress() {}, onStatus() {}, onGetDraftFolderURI() {},
         onSendNotPerformed() { reject(new Error("not sent")); },
         onTransportSecurityError(id, status, info, location) { reject(new Error("TLS: " + status + " at " + location)); },
         onStopSending(id, status, text) {
           if (Components.isSuccessCode(status)) resolve();
           else reject(new Error("0x" + status.toString(16) + " " + text));
         },
       };
       send.createAndSendMessage(null, identity, "account1", fields, false, false, Ci.nsIMsgSend.nsMsgDeliverNow, null,
         "text/plain", "Grüße\\n.\\nfrom Thunderbird\\n", null, null, listener, "", "", Ci.nsIMsgCompType.New);
     });
     for (const server of MailServices.outgoingServer.servers) server.closeCachedConnections();`,
    options,
  );
}

/** The messages of the inbox as they are, once there are `count`. */
export async function readInbox(thunderbird: Marionette, count: number): Promise<readonly string[]> {
  const found = await thunderbird.run(
    `const { incomingServer } = MailServices.accounts.accounts[0];
     const wait = (ms) => new Promise((resolve) => ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs").setTimeout(resolve, ms));
     incomingServer.performExpand(null);
     let inbox;
     for (let tries = 0; tries < 200; tries++) {
       inbox = incomingServer.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox);
       if (inbox && inbox.getTotalMessages(false) >= count && [...inbox.messages].length >= count) break;
       if (inbox && tries % 10 === 0) inbox.updateFolder(null);
       await wait(200);
     }
     const read = (header) => new Promise((resolve, reject) => {
       const uri = inbox.getUriForMsg(header);
       let text = "";
       MailServices.messageServiceFromURI(uri).streamMessage(uri, {
         QueryInterface: ChromeUtils.generateQI(["nsIStreamListener", "nsIRequestObserver"]),
         onStartRequest() {},
         onDataAvailable(request, stream, offset, length) {
           const input = Cc["@mozilla.org/scriptableinputstream;1"].createInstance(Ci.nsIScriptableInputStream);
           input.init(stream);
           text += input.readBytes(length);
         },
         onStopRequest(request, status) {
           if (Components.isSuccessCode(status)) resolve(text);
           else reject(new Error("0x" + status.toString(16)));
         },
       }, null, null, false, "");
     });
     const texts = [];
     for (const header of inbox.messages) texts.push(await read(header));
     return texts;`,
    { count },
  );
  return found as readonly string[];
}
