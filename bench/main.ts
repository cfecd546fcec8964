/** `npm run bench`: beside Postfix (run.ts). `npm run bench auth`: the checks of senders, beside mailauth (auth/run.ts). */
await import(process.argv[2] === "auth" ? "./auth/run.ts" : "./run.ts");
