/** Functions that are asked for most; the server does not list its own. */
export const functionNames: readonly string[] = `
abs acos age any_value approx_count_distinct approx_quantile arg_max arg_min array_agg asin atan avg bit_count bool_and bool_or
cbrt ceil chr coalesce concat concat_ws contains corr cos count count_if covar_pop cume_dist current_date date_diff date_part
date_sub date_trunc dayname degrees dense_rank divide ends_with entropy epoch epoch_ms exp extract first first_value floor format
from_json greatest hash hour if ifnull instr isfinite isnan isodow json_array_length json_extract json_extract_string json_keys
json_type json_valid kurtosis lag last last_day last_value lead least left length like_escape list list_aggregate list_contains
list_distinct list_filter list_sort list_transform list_unique ln log10 log2 lower lpad ltrim mad make_date make_timestamp
map_keys map_values max md5 median min minute mode monthname nth_value ntile nullif parse_path percent_rank position pow product
quantile_cont quantile_disc radians random range rank regexp_extract regexp_extract_all regexp_full_match regexp_matches
regexp_replace repeat replace reverse right round row_number rpad rtrim second sha256 sign sin skewness split_part sqrt
starts_with stddev stddev_pop strftime string_agg string_split strip_accents strlen strptime struct_extract substring sum tan
time_bucket to_days to_hours to_json to_minutes to_seconds to_timestamp today translate trim trunc try_strptime typeof upper
url_decode url_encode uuid var_pop variance week year yearweek
`
  .trim()
  .split(/\s+/);
