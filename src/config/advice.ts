/** Settings that are valid, but do not do all that whoever sets them may expect; each with the reason. */
import { gatesWithoutEffect } from "./feature-gates.ts";
import type { FieldPath, KubeProxyConfiguration } from "./schema.ts";

/** What is known of the setting; it reads on from the setting's name and a colon. */
export interface Advice {
  readonly field: FieldPath;
  readonly text: string;
}

/** What the operator should know about a valid configuration. */
export function adviseOn(config: KubeProxyConfiguration): Advice[] {
  const { clientConnection, featureGates, logging, showHiddenMetricsForVersion } = config;
  const { acceptContentTypes, contentType } = clientConnection;
  const gates = gatesWithoutEffect(Object.keys(featureGates));
  return [
    ...adviseIf(!isUsual(contentType), "clientConnection.contentType", ONLY_JSON),
    ...adviseIf(!isUsual(acceptContentTypes), "clientConnection.acceptContentTypes", ONLY_JSON),
    ...(["text", "json"] as const).flatMap((format) =>
      adviseIf(
        Number.parseFloat(logging.options[format].infoBufferSize) !== 0,
        `logging.options.${format}.infoBufferSize`,
        "without effect, as each line is written at once",
      ),
    ),
    ...adviseIf(
      showHiddenMetricsForVersion !== "",
      "showHiddenMetricsForVersion",
      "without effect, as no metric is hidden in this version",
    ),
    ...adviseIf(gates.length > 0, "featureGates", `without effect in this version: ${gates.join(", ")}`),
  ];
}

const ONLY_JSON = "without effect, as requests and answers are in JSON, which every API server speaks";

/** Protobuf is a preference: upstream's client takes JSON as well, and servers send it to whoever asks for it. */
const USUAL_TYPES: ReadonlySet<string> = new Set([
  "",
  "*/*",
  "application/*",
  "application/json",
  "application/vnd.kubernetes.protobuf",
]);

/** Whether a content type, or a list of them as in the header Accept, names nothing but protobuf and JSON. */
function isUsual(types: string): boolean {
  return types.split(",").every((type) => USUAL_TYPES.has((type.split(";")[0] ?? "").trim().toLowerCase()));
}

function adviseIf(condition: boolean, field: FieldPath, text: string): Advice[] {
  return condition ? [{ field, text }] : [];
}
