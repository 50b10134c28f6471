/** How a person calls the command line here: from a checkout's folder, or where npm installed the package. */
export const ownCommand: string = import.meta.filename.endsWith(".ts") ? "./millrace" : "npx millrace";
