-- Conditions on rows of dead_letters, which has no other name where they stand: one for each term of
-- a filter, and what joins them. {column} is what is compared, {value} and {last} are parameters.

-- name: everything
true

-- name: nothing
false

-- name: and
AND

-- name: or
OR

-- name: group
({inner})

-- name: not
-- What has no value fits neither a term nor its opposite in SQL, but the opposite here.
({inner}) IS NOT TRUE

-- name: column
dead_letters.{name}

-- name: kind
dead_letters.decoded ->> 'kind'

-- name: missing
coalesce({column}, '') = ''

-- name: equal
{column} = {value}::text

-- name: prefix
starts_with({column}, {value}::text)

-- name: code_prefix
(
    starts_with(dead_letters.code, {value}::text)
    OR starts_with(dead_letters.sqlstate, {value}::text)
    OR starts_with(dead_letters.status::text, {value}::text)
)

-- name: status
dead_letters.status = {value}::bigint

-- name: within
{column} BETWEEN {value}::uuid AND {last}::uuid

-- name: number_equal
{column} = {value}::bigint

-- name: number_less
{column} < {value}::bigint

-- name: number_at_most
{column} <= {value}::bigint

-- name: number_more
{column} > {value}::bigint

-- name: number_at_least
{column} >= {value}::bigint

-- name: moment_equal
{column} = to_timestamp({value}::bigint / 1000.0)

-- name: moment_less
{column} < to_timestamp({value}::bigint / 1000.0)

-- name: moment_at_most
{column} <= to_timestamp({value}::bigint / 1000.0)

-- name: moment_more
{column} > to_timestamp({value}::bigint / 1000.0)

-- name: moment_at_least
{column} >= to_timestamp({value}::bigint / 1000.0)

-- name: data
-- What is at a path in an operation: JSON with the tags of document mode.
dead_letters.decoded -> 'data' #> {path}::text[]

-- name: data_text
-- The same as text, without its tag: ~~ stands for one ~, and everything else has two characters.
CASE left(dead_letters.decoded -> 'data' #>> {path}::text[], 2)
    WHEN '~~' THEN substr(dead_letters.decoded -> 'data' #>> {path}::text[], 2)
    ELSE regexp_replace(dead_letters.decoded -> 'data' #>> {path}::text[], '^~.', '')
END

-- name: data_number
-- The same as a number, where it is one: JSON's, a decimal, or an integer of very many digits.
CASE jsonb_typeof(dead_letters.decoded -> 'data' #> {path}::text[])
    WHEN 'number' THEN (dead_letters.decoded -> 'data' #> {path}::text[])::numeric
    WHEN 'string' THEN
        CASE
            WHEN left(dead_letters.decoded -> 'data' #>> {path}::text[], 2) IN ('~f', '~n')
                AND pg_input_is_valid(
                    substr(dead_letters.decoded -> 'data' #>> {path}::text[], 3), 'numeric'
                )
            THEN substr(dead_letters.decoded -> 'data' #>> {path}::text[], 3)::numeric
        END
END

-- name: data_missing
dead_letters.decoded IS NOT NULL AND coalesce(dead_letters.decoded -> 'data' #>> {path}::text[], '') = ''

-- name: data_null
jsonb_typeof(dead_letters.decoded -> 'data' #> {path}::text[]) = 'null'

-- name: size_equal
{column} = {value}::numeric

-- name: size_less
{column} < {value}::numeric

-- name: size_at_most
{column} <= {value}::numeric

-- name: size_more
{column} > {value}::numeric

-- name: size_at_least
{column} >= {value}::numeric
