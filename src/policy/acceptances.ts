/** Why mail is taken, as `explain` tells it of recipients. */
export const acceptances = {
  "logged-in": "the client had logged in, so it may send anywhere",
  "relay-network": "the client is in a network that may relay",
  "relay-key": "the client presented a TLS certificate with a key that may relay",
  "local-user": "it is the address of a user here",
  "local-alias": "it is an alias here",
  "local-catch-all": "no user here has the address, and the domain has a catch-all",
  "local-postmaster": "every domain has a postmaster",
  "local-any": "every address in the domain is accepted",
  "sender-checked": "the sender was verified",
  "forwarding-address": "it is a reverse-path that this server rewrote, so the mail goes back to the original sender",
} as const;

export type AcceptanceReason = keyof typeof acceptances;
