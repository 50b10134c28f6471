// Written by scripts/functions.ts from DuckDB v1.5.6; looked at by a person.

/** Those that SQL may call and whose value is not decided by their arguments. */
export const volatileNames = `
ago current_date current_localtime current_localtimestamp gen_random_uuid get_current_time get_current_timestamp now
random today transaction_timestamp uuid uuidv4 uuidv7
`;
