import { type JwtIo, runCommand } from "./jwt-command.ts";
import { keygenCommand } from "./jwt-keygen.ts";
import { signCommand } from "./jwt-sign.ts";
import { verifyCommand } from "./jwt-verify.ts";

const USAGE = `jwt - sign and verify the tokens that deployer-service accepts

Usage:
  jwt <command> [options]

Commands:
  sign      print a signed token
  verify    check the signature and times of a token, and print its claims
  keygen    make a key pair, and print the private key as the secret DEPLOY_SIGNING_KEY_B64
  version   print the version and the build date

"jwt <command> --help" lists the options of a command.
`;

/**
 * The `jwt` tool, called with what follows its name; resolves to the exit code: 0, 1 for a failure, 2 for a wrong flag.
 * Words and codes are those of the tool it replaces (github.com/zacsketches/go-jwt), which scripts may rely on.
 */
export async function runJwt(args: readonly string[], io: JwtIo): Promise<number> {
  const [command, ...rest] = args;
  switch (command) {
    case undefined:
    case "-h":
    case "--help":
      io.stdout(USAGE);
      return 0;
    case "version":
      io.stdout(`Version: ${io.version}\nBuilt:   ${io.built ?? "unknown"}\n`);
      return 0;
    case "sign":
      return await runCommand(signCommand, rest, io);
    case "verify":
      return await runCommand(verifyCommand, rest, io);
    case "keygen":
      return await runCommand(keygenCommand, rest, io);
    default:
      io.stderr(`Unknown command: ${command}\n`);
      io.stdout(USAGE);
      return 1;
  }
}
