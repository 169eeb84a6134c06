import { z } from "zod";

const DependsOn = z.record(
  z.string(),
  z.looseObject({
    condition: z
      .enum(["service_started", "service_healthy", "service_completed_successfully"])
      .default("service_started"),
    required: z.boolean().default(true),
  }),
);

/** Compose writes `Path`, `Rate` and `Weight` into its JSON, and does not read them. */
const BlkioConfig = z
  .record(z.string(), z.unknown())
  .transform((fields) =>
    Object.fromEntries(
      Object.entries(fields).map(([key, value]) => [
        key,
        Array.isArray(value) ? value.map(withLowerCaseKeys) : value,
      ]),
    ),
  );

export type ResolvedService = z.infer<typeof ResolvedService>;

/** A service's place in a network. */
const Endpoint = z.looseObject({
  ipv4_address: z.string().optional(),
  ipv6_address: z.string().optional(),
  link_local_ips: z.array(z.string()).nullish(),
  mac_address: z.string().optional(),
});

/** A service as `docker compose config` prints it, as far as we read it; the rest is kept as it came. */
export const ResolvedService = z.looseObject({
  image: z.string().optional(),
  container_name: z.string().optional(),
  network_mode: z.string().optional(),
  ipc: z.string().optional(),
  pid: z.string().optional(),
  volumes_from: z.array(z.string()).optional(),
  mac_address: z.string().nullish(),
  platform: z.string().nullish(),
  networks: z.record(z.string(), Endpoint.nullable()).nullish(),
  ports: z
    .array(
      z.looseObject({
        published: z.union([z.string(), z.number()]).optional(),
        protocol: z.string().optional(),
      }),
    )
    .nullish(),
  depends_on: DependsOn.optional(),
  blkio_config: BlkioConfig.nullish(),
  scale: z.number().int().optional(),
  deploy: z.looseObject({ replicas: z.number().int().optional() }).nullish(),
  volumes: z
    .array(
      z.looseObject({
        type: z.string(),
        source: z.string().optional(),
        target: z.string().optional(),
        read_only: z.boolean().optional(),
        bind: z.looseObject({ create_host_path: z.boolean().optional() }).nullish(),
      }),
    )
    .optional(),
});

function withLowerCaseKeys(entry: unknown): unknown {
  if (typeof entry !== "object" || entry === null) return entry;
  return Object.fromEntries(Object.entries(entry).map(([key, value]) => [key.toLowerCase(), value]));
}
