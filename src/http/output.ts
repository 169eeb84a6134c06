/** What stands where a container's own words would. */
export const WITHHELD = "what the container printed is not shown: no rule of this caller has logs: true";
