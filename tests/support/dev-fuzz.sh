# shellcheck shell=bash
# ./dev fuzz: each fuzzing program for a while, with its seeds. Read by ./dev.

run_fuzz() {
    local seconds=$1 program name corpus findings=0
    local -a inputs
    [[ $seconds =~ ^[1-9][0-9]*$ ]] || die "fuzz takes a number of seconds"
    build_preset fuzz || exit 1
    mkdir -p build/fuzz/findings
    for program in build/fuzz/fuzz/fuzz_*; do
        name=$(basename "$program")
        [ -e "tests/fuzz/$name.c" ] || continue
        corpus=build/fuzz/corpus/$name
        mkdir -p "$corpus"
        inputs=("$corpus")
        [ ! -d "tests/fuzz/seeds/$name" ] || inputs+=("tests/fuzz/seeds/$name")
        say "== $name, $seconds s"
        if "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
            -artifact_prefix="build/fuzz/findings/$name-" "${inputs[@]}" >"build/fuzz/$name.log" 2>&1; then
            grep -E 'number_of_executed_units' "build/fuzz/$name.log"
        else
            findings=$((findings + 1))
            tail -n 40 "build/fuzz/$name.log"
        fi
    done
    say "fuzz: $findings findings"
    [ "$findings" -eq 0 ]
}
