-- 0068 - rows: window_steps() gives a few rows, not a thousand, so that a statement that calls it is not planned as if it were long.
SET LOCAL search_path = lazo;

ALTER FUNCTION window_steps(text, interval, text, timestamptz, timestamptz, timestamptz[], timestamptz, int) ROWS 10;
