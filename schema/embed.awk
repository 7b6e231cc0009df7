# embed.awk - turns SQL files into C, so that the programs carry their schema with them.
#
#   -v what=statement_names.h   an enum of the named statements ("-- name: NAME" begins one)
#   -v what=statements.c   their table
#   -v what=migrations.c   whole files, by their base names
#   -v what=text           one whole file, as the string -v name=, declared in -v header=

function quoted(line)
{
    gsub(/\\/, "\\\\\\\\", line)
    gsub(/"/, "\\\"", line)
    return "\"" line "\\n\""
}

function close_item()
{
    if (open)
        print "     " (prepared == "" ? "" : ", " prepared) "},"
    open = 0
}

BEGIN {
    print "/* Made by schema/embed.awk. */"
    if (what == "statement_names.h") {
        print "#ifndef LAZO_GEN_STATEMENTS_H\n#define LAZO_GEN_STATEMENTS_H"
        print "enum query {"
    } else if (what == "statements.c") {
        print "#include \"daemon/pg/statements.h\""
        print "const struct statement statements[] = {"
    } else if (what == "text") {
        print "#include \"" header "\""
        print "const char " name "[] ="
    } else {
        print "#include \"daemon/pg/migrations.h\""
        print "const struct migration_file migration_files[] = {"
    }
}

what == "migrations.c" && FNR == 1 {
    close_item()
    base = FILENAME
    sub(/.*\//, "", base)
    print "    {\"" base "\","
    open = 1
}

what ~ /^statement/ && FNR == 1 {
    close_item()
    named = 0
}

what ~ /^statement/ && /^-- name: / {
    close_item()
    named = 1
    if ($3 in seen) {
        print "embed.awk: " FILENAME ":" FNR ": statement " $3 " stands twice" > "/dev/stderr"
        exit 1
    }
    seen[$3] = 1
    if (what == "statement_names.h")
        print "    Q_" toupper($3) ","
    else {
        # Statements of lazoctl are not lazod's: it prepares the others when it connects.
        prepared = FILENAME ~ /\/ctl[^\/]*$/ ? "false" : "true"
        print "    {\"" $3 "\","
        open = 1
    }
    next
}

what == "statements.c" && named && !/^--/ { print "     " quoted($0) }
what == "migrations.c" || what == "text" { print "     " quoted($0) }

END {
    close_item()
    if (what == "statement_names.h")
        print "    Q_COUNT\n};\n#endif"
    else if (what == "statements.c")
        print "};"
    else if (what == "text")
        print ";"
    else
        print "    {0, 0}};"
}
