import { DeployerError } from "./errors.ts";
import type { Compose } from "./compose.ts";
import type { Store } from "./store.ts";

/** The compose port, but a project that changes its name is refused: under a new name everything would start a second time. */
export function holdProjectName(compose: Compose, store: Store): Compose {
  return {
    ...compose,
    async project() {
      const project = await compose.project();
      const known = store.projectName();
      if (known === undefined) store.saveProjectName(project.name);
      else if (known !== project.name) {
        throw new DeployerError(
          "compose_file",
          `the compose project was "${known}" and is called "${project.name}" now; deploying it would start a second copy of everything. Give it its old name (name: ${known} in the compose file), or give the new project a STATE_DIR of its own`,
        );
      }
      return project;
    },
  };
}
