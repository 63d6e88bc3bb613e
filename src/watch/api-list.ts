/** One complete list of a resource. */
import type { ApiClient } from "./api-client.ts";
import { ApiError } from "./api-error.ts";
import { ListParser } from "./api-list-parser.ts";
import { wrapError } from "./api-request.ts";
import type { ApiResource } from "./api-resources.ts";
import { keyOf } from "./api-resources.ts";

export interface ListOptions {
  /**
   * "0" for whatever the server has cached, "" for the newest state.
   * Servers answer "0" from memory in one piece and disregard the page size; "" comes in pages.
   */
  readonly resourceVersion: "0" | "";
  readonly pageSize: number;
  readonly idleTimeoutMs: number;
  readonly signal: AbortSignal;
  /** Called for every object as it arrives, possibly again when a list has to start over. */
  readonly onItem: (object: unknown) => void;
}

export interface CompleteList {
  /** The version the list represents; a watch continues from here. */
  readonly version: string;
  readonly keys: ReadonlySet<string>;
}

/**
 * Lists a resource. When the server forgets the snapshot between two pages the list starts over in one piece,
 * as it would only expire again. Rejects with an ApiError.
 */
export async function listAll(
  client: ApiClient,
  resource: ApiResource,
  options: ListOptions,
): Promise<CompleteList> {
  try {
    return await listPages(client, resource, options, options.pageSize);
  } catch (error) {
    if (!(error instanceof ExpiredContinue)) throw error;
    return await listPages(client, resource, options, 0);
  }
}

class ExpiredContinue extends Error {}

async function listPages(
  client: ApiClient,
  resource: ApiResource,
  options: ListOptions,
  pageSize: number,
): Promise<CompleteList> {
  const keys = new Set<string>();
  const onItem = (item: unknown): void => {
    const key = keyOf(resource.kind, item);
    if (key === undefined) return;
    keys.add(key);
    options.onItem(item);
  };
  const limit: Record<string, string> = pageSize > 0 ? { limit: String(pageSize) } : {};
  let page = await readPage(client, resource, options, { ...limit, ...versionQuery(options) }, onItem);
  while (page.continue !== "") {
    try {
      page = await readPage(client, resource, options, { ...limit, continue: page.continue }, onItem);
    } catch (error) {
      throw error instanceof ApiError && error.expired ? new ExpiredContinue() : error;
    }
  }
  return { version: page.version, keys };
}

function versionQuery({ resourceVersion }: ListOptions): Record<string, string> {
  return resourceVersion === "" ? {} : { resourceVersion };
}

async function readPage(
  client: ApiClient,
  resource: ApiResource,
  options: ListOptions,
  query: Readonly<Record<string, string>>,
  onItem: (item: unknown) => void,
): Promise<{ version: string; continue: string }> {
  const request = {
    path: resource.path,
    query: { ...resource.selectors, ...query },
    gzip: true,
    idleTimeoutMs: options.idleTimeoutMs,
    signal: options.signal,
  };
  const body = await client.open(request);
  const parser = new ListParser(onItem);
  try {
    for await (const chunk of body) parser.push(chunk);
    return readMetadata(parser.end());
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw wrapError(request, error);
    throw new ApiError("API_MALFORMED", `GET ${resource.path}: ${error.message}`, { cause: error });
  }
}

function readMetadata(list: unknown): { version: string; continue: string } {
  const { metadata } = list as { metadata?: { resourceVersion?: unknown; continue?: unknown } };
  if (typeof metadata?.resourceVersion !== "string" || metadata.resourceVersion === "") {
    throw new SyntaxError("list without metadata.resourceVersion");
  }
  return {
    version: metadata.resourceVersion,
    continue: typeof metadata.continue === "string" ? metadata.continue : "",
  };
}
