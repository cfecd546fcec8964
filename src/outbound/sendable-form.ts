/**
 * The form in which a message goes to one server: as it was accepted, or in 7 bits where the server lacks 8BITMIME
 * (RFC 6152 §3). What is in the spool never changes. A conversion is found out once in an attempt and made anew whenever the
 * content is sent, piece by piece; the body has the same octets every time, and our own signature is made over them anew.
 */
import { BodyHashes } from "../dkim/body-hashes.ts";
import { HeaderCollector, parseHeaderFields } from "../message/header-section.ts";
import { SevenBitContent } from "../message/seven-bit/seven-bit-content.ts";
import {
  type ConversionProblem,
  problemTexts,
  type SevenBitPlan,
  SevenBitPlanner,
} from "../message/seven-bit/seven-bit-plan.ts";
import type { MessageSigning, PendingSignatures } from "../signing/message-signing.ts";
import type { Capabilities } from "../smtp/client/capabilities.ts";
import type { BodyType } from "../smtp/envelope.ts";
import type { Content } from "../spool/spool.ts";
import { lacking, type MessageNeeds } from "./delivery-needs.ts";
import type { PeerFacts, Setback } from "./delivery-verdict.ts";

export interface SendableForm {
  readonly headerBlock: Buffer;
  readonly body: BodyType;
  /** Without the header block; may be called more than once. */
  readonly openContent: () => Promise<Content>;
}

export type FormResult =
  { readonly kind: "form"; readonly form: SendableForm } | { readonly kind: "lack"; readonly lack: Setback };

type Conversion =
  | { readonly kind: "converted"; readonly form: SendableForm; readonly size: number }
  | { readonly kind: "impossible"; readonly problem: ConversionProblem };

/** As much as `limits.header_size` may ever allow. */
const headerBytesMax = 16 * 1024 * 1024;

export class SendableForms {
  readonly #original: SendableForm;
  readonly #needs: MessageNeeds;
  readonly #mayConvert: boolean;
  readonly #signing: MessageSigning | undefined;
  #conversion: Promise<Conversion> | undefined;

  constructor(
    original: SendableForm,
    options: {
      readonly needs: MessageNeeds;
      readonly mayConvert: boolean;
      readonly signing: MessageSigning | undefined;
    },
  ) {
    this.#original = original;
    this.#needs = options.needs;
    this.#mayConvert = options.mayConvert;
    this.#signing = options.signing;
  }

  /** The form for a server with these capabilities, or what it lacks. */
  async formFor(peer: Capabilities, facts: PeerFacts): Promise<FormResult> {
    const needs = this.#needs;
    const lack = lacking(needs, peer, facts);
    if (lack === undefined) return { kind: "form", form: this.#original };
    const inSevenBits: MessageNeeds = { ...needs, body: "7BIT" };
    const onlyBits = needs.body === "8BITMIME" && lacking(inSevenBits, peer, facts) === undefined;
    if (!onlyBits || !this.#mayConvert) return { kind: "lack", lack };
    const conversion = await (this.#conversion ??= this.#convert());
    if (conversion.kind === "impossible") {
      return { kind: "lack", lack: { ...lack, reason: `${lack.reason}: ${problemTexts[conversion.problem]}` } };
    }
    const tooLarge = lacking({ ...inSevenBits, size: conversion.size }, peer, facts);
    return tooLarge === undefined ? { kind: "form", form: conversion.form } : { kind: "lack", lack: tooLarge };
  }

  async #convert(): Promise<Conversion> {
    const block = parseHeaderFields(this.#original.headerBlock);
    if (block.bytes.some((octet) => octet > 127)) return { kind: "impossible", problem: "header-not-ascii" };
    if (block.first("arc-message-signature") !== undefined) return { kind: "impossible", problem: "arc-seal" };
    const plan = await this.#plan();
    if ("problem" in plan) return { kind: "impossible", problem: plan.problem };
    const isSigned = block.first("dkim-signature") !== undefined;
    const { size, signatures } = await this.#measure(plan, isSigned ? this.#signing : undefined);
    if (isSigned && signatures === "") return { kind: "impossible", problem: "signature-not-renewed" };
    const kept = block.fields.filter(({ name }) => name !== "dkim-signature").map(({ raw }) => raw);
    const headerBlock = Buffer.concat([Buffer.from(signatures), ...kept]);
    const openContent = async (): Promise<Content> => convertedContent(await this.#original.openContent(), plan, size);
    return { kind: "converted", form: { headerBlock, body: "7BIT", openContent }, size: headerBlock.length + size };
  }

  async #plan(): Promise<ReturnType<SevenBitPlanner["end"]>> {
    await using content = await this.#original.openContent();
    const planner = new SevenBitPlanner();
    for await (const chunk of content.chunks()) planner.push(chunk);
    return planner.end();
  }

  /** How long the converted content is, and our signatures over it; "" where none is asked for or can be made. */
  async #measure(
    plan: SevenBitPlan,
    signing: MessageSigning | undefined,
  ): Promise<{ readonly size: number; readonly signatures: string }> {
    await using content = await this.#original.openContent();
    const collector = new HeaderCollector({ headerBytesMax });
    const bodies = new BodyHashes();
    let pending: PendingSignatures | undefined;
    let inHeader = signing !== undefined;
    let size = 0;
    for await (const chunk of convertedChunks(content, plan)) {
      size += chunk.length;
      if (!inHeader) {
        if (pending !== undefined) bodies.push(chunk);
        continue;
      }
      const progress = collector.push(chunk);
      if (progress.kind === "need-more") continue;
      inHeader = false;
      if (progress.kind === "too-large") continue;
      pending = signing?.begin(parseHeaderFields(progress.header), bodies);
      if (pending !== undefined) bodies.push(progress.rest);
    }
    bodies.end();
    return { size, signatures: (await pending?.finish()) ?? "" };
  }
}

/** The header block travels with the first piece, so that the smallest stream is one chunk. */
export async function* headerFirst(
  headerBlock: Uint8Array,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let first = true;
  for await (const chunk of chunks) {
    yield first ? Buffer.concat([headerBlock, chunk]) : chunk;
    first = false;
  }
  if (first) yield headerBlock;
}

function convertedContent(content: Content, plan: SevenBitPlan, size: number): Content {
  return {
    size,
    chunks: () => convertedChunks(content, plan),
    [Symbol.asyncDispose]: () => content[Symbol.asyncDispose](),
  };
}

async function* convertedChunks(content: Content, plan: SevenBitPlan): AsyncGenerator<Buffer> {
  const converter = new SevenBitContent(plan);
  for await (const chunk of content.chunks()) {
    const piece = converter.push(chunk);
    if (piece.length > 0) yield piece;
  }
  const last = converter.end();
  if (last.length > 0) yield last;
}
