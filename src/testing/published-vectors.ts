/**
 * Recognises the published vectors, by the SHA-256 of what each set is read from, and says how many cases they have. A
 * set of other vectors in the same format has another digest, and nothing is asserted about its size.
 */
import { createHash } from "node:crypto";
import { globSync, readFileSync, statSync } from "node:fs";
import { conformancePath } from "./conformance-data.ts";
import { vectorSets, type VectorSet } from "./conformance-deviations.ts";

interface PublishedSet {
  /** The file that lists the cases, or the folder whose files are the cases. */
  readonly path: string;
  readonly cases: number;
  readonly sha256: string;
}

export const publishedSets: Readonly<Record<VectorSet, PublishedSet>> = {
  "spf/rfc7208": {
    path: "spf/rfc7208-tests.yml",
    cases: 135,
    sha256: "247619843c20595b83e61afb05aca8e43174c34828c8a2de2649b6e2f0d5d550",
  },
  "spf/extra": {
    path: "spf/extra-scenarios.json",
    cases: 103,
    sha256: "358e521f4681335546b7f809c468bdda53e06dc4ca3fced609a560a4d870fe89",
  },
  "dkim/messages": {
    path: "dkim/cases.json",
    cases: 182,
    sha256: "46913d3634d77cd671345b28e289958485dcbcd4526e4175b1472364f6179020",
  },
  "dkim/canonicalization": {
    path: "dkim/canonicalization/index.json",
    cases: 14,
    sha256: "7ddc217fc2cfa70ce03749aeb03628b9d73e93458a7ecebb6b6637e7290e1037",
  },
  "dkim/key-records": {
    path: "dkim/key-records.json",
    cases: 12,
    sha256: "a7944f27903ecd98d63c1abb76d40756387b6ae6c3990244547de7621dd9de65",
  },
  "dkim/signature-headers": {
    path: "dkim/signature-headers.json",
    cases: 12,
    sha256: "2c45e8b0438003cbb16c17e7ec68ed9c8541588e334214d50a8b1eda1b343a5e",
  },
  "arc/validation": {
    path: "arc/arc-draft-validation-tests.yml",
    cases: 117,
    sha256: "f31bbcbb35bc6180229fbd09fbbf985caef5619fc44c8151e3bf4471270f20ae",
  },
  "arc/signing": {
    path: "arc/arc-draft-sign-tests.yml",
    cases: 11,
    sha256: "70d6e0ef0eff8c3a16fbd23809ce82a3347d6a34d88c7ad6de810847a9badb74",
  },
  "arc/extra": {
    path: "arc/extra",
    cases: 1,
    sha256: "a468988df707d8d09a1b090a7202541c7006f247d199c8b47b88b5229d79f530",
  },
  "dmarc/records": {
    path: "dmarc/records.json",
    cases: 39,
    sha256: "5b53dc6cc33e9b27cdeb11e88465d3285fa08258f7f7408e71e5b66679066d05",
  },
  "dmarc/evaluation": {
    path: "dmarc/evaluation.json",
    cases: 40,
    sha256: "0c444f427ce2bcce5b6983b96a643c53438c09dac243c1816cca3f36bd09c0a5",
  },
  "dmarc/alignment": {
    path: "dmarc/alignment.json",
    cases: 10,
    sha256: "8d7138a495bc2f120dc03265dcc95895a4bed41eebce230d93a7344562430d02",
  },
  "dmarc/from-domain": {
    path: "dmarc/from-domain.json",
    cases: 9,
    sha256: "0045492db7d4c24063d9107c8f31effd48d9d78b15b15cc9e46656ef3744cd75",
  },
  "dmarc/messages": {
    path: "dmarc/messages.json",
    cases: 11,
    sha256: "47829f816a06bd71d626e2a43ae1ce6793a7de20246abb55c1e08bdffd5e6d73",
  },
  "dmarc/reports": {
    path: "dmarc/reports/index.json",
    cases: 37,
    sha256: "5fc3c5d186f007ce7f29b9e3b2b68d2574af4ebe60fea011cd7b19dcd76058ed",
  },
  "psl/tests": {
    path: "psl/tests.json",
    cases: 52,
    sha256: "7c0f4a5647f3a4148730dba4ad5627d3d5f2d50d9b3575c4ea1ef1d4cd8ceef7",
  },
  "addresses/smtp-paths": {
    path: "addresses/smtp-paths.json",
    cases: 65,
    sha256: "a068657d15f4e3691dc797d7e3600c556719cc56ff4c25941b5ca634808e2cca",
  },
  "addresses/isemail": {
    path: "addresses/isemail-tests.xml",
    cases: 109,
    sha256: "81812d0f4af5585f58ab8662dfeff3c9d14849aa58251a56bcabf4c4ee7b96f4",
  },
  "addresses/mail-parser": {
    path: "addresses/mail-parser-address.json",
    cases: 40,
    sha256: "005f90981c6112155afbbac09294d2f7301592ca69c32c4ee7e70219467b9a29",
  },
  "addresses/flanker-invalid": {
    path: "addresses/flanker-mailbox-invalid.json",
    cases: 57,
    sha256: "371b3213b053f61eda0791dcbdbefffb00afa147df9c7aa2db81896401c3092b",
  },
  "headers/content-type": {
    path: "headers/content-type.json",
    cases: 69,
    sha256: "7a1836f2745ddfb557e47d855d2688cd5d81fada7c7d5fd3cfc5c93d90cbbab3",
  },
  "headers/received": {
    path: "headers/received.json",
    cases: 121,
    sha256: "608651eebf9e1df2a05bff4829b8c08f4ec31b1aeacae88cc1ce3539694818bb",
  },
  "headers/unstructured": {
    path: "headers/unstructured.json",
    cases: 20,
    sha256: "136652904e665d78d6c85ebd2e907515a285e56f9109edc830f7ee05dffe2bc5",
  },
  "mime/messages": {
    path: "mime",
    cases: 354,
    sha256: "a0dd0ac9732268de1ace487885b1f80dea86654b7464a54ab051f4b8b62f5bff",
  },
  "sasl/mechanisms": {
    path: "sasl/mechanisms.json",
    cases: 28,
    sha256: "9f9704f4e7c89e718ecc5689e15fff27289aee2719458c9150472e3c0d9671e1",
  },
  "sasl/saslprep": {
    path: "sasl/saslprep.json",
    cases: 8,
    sha256: "9a407cdbde7a30e26ce4edef83b75318c20d3cf37d6fd42182003be7b9f9581e",
  },
  "sasl/scram": {
    path: "sasl/scram.json",
    cases: 27,
    sha256: "6efe05d9d093e2a6ebcc37ea007090f1afa49528e038d2bf505e3c72257fa44b",
  },
  "smtp/commands": {
    path: "smtp/commands.json",
    cases: 87,
    sha256: "2f1bb92d0ca421dcc06afcfd8f9b1f094068e4d069b19b1ea9ecefe2a91c1b06",
  },
  "smtp/sessions": {
    path: "smtp/sessions.json",
    cases: 18,
    sha256: "3c3d8082bbcf5e93d0d31d91b2359f82ced4370e1005277b9feaf6d32113e7b5",
  },
  "smtp/data-transparency, receiving": {
    path: "smtp/data-transparency.json",
    cases: 27,
    sha256: "eb8ff27af9c386610b0465d978d73242271fa6c8567fc816a2b13eece12416e9",
  },
  "smtp/data-transparency, sending": {
    path: "smtp/data-transparency.json",
    cases: 27,
    sha256: "eb8ff27af9c386610b0465d978d73242271fa6c8567fc816a2b13eece12416e9",
  },
  "smtp/end-of-data, decoder": {
    path: "smtp/end-of-data.json",
    cases: 27,
    sha256: "ecd0a1ef49fb207a846e27d18b9ef4a2f1fded512c11b2df22728f6db1c8a534",
  },
  "smtp/end-of-data, server": {
    path: "smtp/end-of-data.json",
    cases: 27,
    sha256: "ecd0a1ef49fb207a846e27d18b9ef4a2f1fded512c11b2df22728f6db1c8a534",
  },
  "smtp/replies": {
    path: "smtp/replies.json",
    cases: 27,
    sha256: "06a8c0b545ce6a624eef5c7c46dc58688773323b9c1ca978fab37dd3bcd059d9",
  },
  "smtp/curl-client": {
    path: "smtp/curl-client",
    cases: 59,
    sha256: "12bb0d55c79469385d9b0f7b85c7102f40e342325eb673416a1b1eac1a8f7f18",
  },
  "headers/authentication-results": {
    path: "headers/authentication-results.json",
    cases: 19,
    sha256: "33a05053af5e029449d1a77029a5bfbbafd23f8530b0cab54134136217716058",
  },
  "tls-rpt/records": {
    path: "tls-rpt/records.json",
    cases: 15,
    sha256: "2a9029fb4b66f00bf02ae398410ae060228411284e64fbcddd83b2a9bee50d9f",
  },
  "tls-rpt/reports": {
    path: "tls-rpt/reports",
    cases: 6,
    sha256: "6008bd023d94b575704925fc7792c78051a719bd4b5d46a65cfb680216dc2ce9",
  },
  "dane/tlsa-chains": {
    path: "dane/tlsa-chains.json",
    cases: 37,
    sha256: "6fac0c677295a39f97f357eaf598baef15f7d5d5a3ae08e6b419b8b5e60ee27b",
  },
  "dane/smtp-decisions": {
    path: "dane/smtp-decisions.json",
    cases: 16,
    sha256: "9ce6ece7ae7e2f72709d547b39af99f65aea2458b619cb7cf86c490275880b7f",
  },
  "dane/tlsa-text": {
    path: "dane/tlsa-text.json",
    cases: 8,
    sha256: "6be8fc9702c9ff18e47ba8991a79684ea14307f84cbbc82c5831831f2dd1fd52",
  },
  "mta-sts/records": {
    path: "mta-sts/records.json",
    cases: 17,
    sha256: "33043f3d58f15532519437ff72f70d635bd75931e85a9b6058532c58afc53938",
  },
  "mta-sts/policies": {
    path: "mta-sts/policies.json",
    cases: 25,
    sha256: "d5f664a3559377a526ed7429374365887485bca83eef9e59a8dddae70089f3fc",
  },
  "mta-sts/mx-match": {
    path: "mta-sts/mx-match.json",
    cases: 10,
    sha256: "da2ad91404da1ce51b8f895a0591f2b7661e14374cca81de7bfc37ef7b365520",
  },
  "mta-sts/discovery": {
    path: "mta-sts/discovery.json",
    cases: 18,
    sha256: "83519cf56bdba73788ab50fa39b3007ac71a6c02c6f42b77538a719b1be36817",
  },
};

/** The number of cases when the set at hand is the published one; otherwise undefined. */
export function publishedCases(set: VectorSet): number | undefined {
  const { path, cases, sha256 } = publishedSets[set];
  const found = conformancePath(path);
  return found !== undefined && digestOf(found) === sha256 ? cases : undefined;
}

/** Whether every set at hand is the published one. */
export function isPublishedData(): boolean {
  return vectorSets.every((set) => publishedCases(set) !== undefined);
}

/** Of a file its content; of a folder the names and contents of all files below it. */
export function digestOf(path: string): string {
  if (statSync(path).isFile()) return createHash("sha256").update(readFileSync(path)).digest("hex");
  const whole = createHash("sha256");
  const files = globSync("**/*", { cwd: path }).filter((name) => statSync(`${path}/${name}`).isFile());
  for (const name of files.toSorted()) whole.update(`${name} ${digestOf(`${path}/${name}`)}\n`);
  return whole.digest("hex");
}
