# shellcheck shell=bash
# The stages of ./dev test, and their sum. Read by ./dev.

: "${python:=/usr/bin/python3}"
passed=0
failed=0
unit_step=7       # of allocations that fail, one of so many does under valgrind; --full has each
sharing=2         # processes of pytest for each build
background_pid=""
skipped_lines=build/test/skipped.txt
pytest_limit_s=1800 # a part of them; --full has more

# A stage that could not even begin counts as one failure.
count_failure() {
    failed=$((failed + 1))
    say "FAILED: $*"
}

stage() {
    stage_started=$SECONDS
    stage_passed=$passed
    stage_failed=$failed
    say "== $*"
}

stage_end() {
    say "   $((passed - stage_passed)) passed, $((failed - stage_failed)) failed" \
        "($(seconds_since "$stage_started") s)"
}

# One cmocka program, "$2..." in front of it (valgrind). Its tests are counted from its TAP lines
# against its plan, so that a crash in the middle, or a plan not fulfilled, cannot pass.
run_unit_program() {
    local program=$1 label=$2 log status planned good bad skipped
    shift 2
    log=build/test/$label-$(basename "$program").log
    # It ends with this shell, also when that is killed in the background.
    CMOCKA_MESSAGE_OUTPUT=TAP setpriv --pdeathsig TERM timeout 300 "$@" "$program" >"$log" 2>&1
    status=$?
    planned=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$log" | awk '{ sum += $1 } END { print sum + 0 }')
    skipped=$(grep -c -E '^(not )?ok [0-9]+ # [Ss][Kk][Ii][Pp]' "$log")
    good=$(grep -E '^ok [0-9]+' "$log" | grep -c -v -i '# skip')
    bad=$(grep -E '^not ok [0-9]+' "$log" | grep -c -v -i '# skip')
    if [ "$((good + bad + skipped))" -lt "$planned" ]; then
        bad=$((planned - good - skipped))
    elif [ "$bad" -eq 0 ] && { [ "$status" -ne 0 ] || [ "$planned" -eq 0 ]; }; then
        bad=1
    fi
    # cmocka's skip() takes no reason: a test prints it right before.
    awk -v program="$label $(basename "$program")" '
        /^(not )?ok [0-9]+ # [Ss][Kk][Ii][Pp]/ { print program ": " $0 (why ? ": " why : ""); why = ""; next }
        /^((not )?ok |#|1\.\.)/ { why = ""; next }
        { why = $0 }' "$log" >>"$skipped_lines"
    passed=$((passed + good))
    failed=$((failed + bad))
    [ "$bad" -eq 0 ] && return
    say "FAILED: $label $(basename "$program"), status $status ($log)"
    grep -v -E '^ok ' "$log" | head -n 40
}

run_unit_programs() {
    local preset=$1 label=$2 program found=0
    shift 2
    stage "unit programs, $label"
    for program in build/"$preset"/unit/unit_*; do
        # A program whose source is gone is no longer a test.
        is_current_program "$program" || continue
        found=1
        if [ "$label" = valgrind ] && [[ $program == *_timing ]]; then
            say "valgrind $(basename "$program"): times mean nothing there" >>"$skipped_lines"
            continue
        fi
        run_unit_program "$program" "$label" "$@"
    done
    [ "$found" -eq 1 ] || count_failure "no unit program in build/$preset/unit"
    stage_end
}

is_current_program() {
    local name library
    name=$(basename "$1")
    name=${name#unit_}
    library=${name%%_*}
    [ -x "$1" ] && [ -e "tests/unit/$library/test_${name#*_}.c" ]
}

has_path() {
    local argument
    for argument in "$@"; do
        [ ! -e "${argument%%::*}" ] || return 0
    done
    return 1
}

# What a sanitizer wrote from a process that a test started and whose end it did not look at.
count_sanitizer_reports() {
    local report
    for report in build/test/sanitizer-"$1".*; do
        [ -e "$report" ] || continue
        count_failure "a sanitizer's report ($report)"
        head -n 40 "$report"
    done
}

# Whoever stops this stops them: a shell's background jobs do not hear the Ctrl-C.
stop_pytest() {
    local pid
    for pid in "${pytest_pids[@]}"; do
        kill -INT "$pid" 2>/dev/null
    done
    for pid in "${pytest_pids[@]}"; do
        wait "$pid"
    done
}

stop_all() {
    [ -z "$background_pid" ] || kill -KILL "$background_pid" 2>/dev/null
    stop_pytest
}

# Memory serves a thousand small databases several times faster than a disk, and nothing in them is to
# last. It takes enough of it: what is kept there until the end, and what the tests themselves need.
has_room_in_memory() {
    local room_kib free_kib
    room_kib=$(df --output=avail /dev/shm 2>/dev/null | tail -n 1)
    free_kib=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB$/\1/p' /proc/meminfo)
    [ "${room_kib:-0}" -ge 4000000 ] && [ "${free_kib:-0}" -ge 6000000 ]
}

# Temporary files of the tests, clusters of an unprivileged user among them: short, for sockets' paths
# may have 107 bytes, and gone when the tests are. Programs are started there too.
make_temporary_folder() {
    TMPDIR=
    if has_room_in_memory && TMPDIR=$(mktemp -d /dev/shm/handbell-XXXXXX) &&
        ! { cp /bin/true "$TMPDIR" && "$TMPDIR/true"; }; then
        rm -rf "$TMPDIR"
        TMPDIR=
    fi
    [ -n "$TMPDIR" ] || TMPDIR=$(mktemp -d /tmp/handbell-XXXXXX) || die "no room in /tmp"
    chmod 1777 "$TMPDIR"
    export TMPDIR
    trap 'stop_all; rm -rf "$TMPDIR"' EXIT
    # A unit program has a process group of its own: its end says nothing to bash of the Ctrl-C.
    trap 'exit 130' INT
}

# Begins tests in Python beside whatever else runs: start_pytest LABEL ARGUMENT... A label is a preset's
# name, or that, a dash, and a part. What they say goes to a file, for end_pytest.
declare -A pytest_pids=()
start_pytest() {
    local label=$1 environment
    shift
    rm -f "build/test/pytest-$label".* build/test/sanitizer-"$label".*
    environment=log_path=$PWD/build/test/sanitizer-$label
    HANDBELL_BINARY=$PWD/build/${label%%-*}/handbell \
        ASAN_OPTIONS=detect_leaks=1:halt_on_error=1:$environment \
        UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:$environment \
        timeout --signal=INT --kill-after=60 "$pytest_limit_s" "$python" -m pytest -q -rs \
        --junitxml="build/test/pytest-$label.xml" -o junit_family=xunit1 "$@" \
        >"build/test/pytest-$label.log" 2>&1 &
    pytest_pids[$label]=$!
}

# Waits for it, shows what it said and counts its tests.
end_pytest() {
    local label=$1 status counts
    local xml=build/test/pytest-$1.xml log=build/test/pytest-$1.log
    tail -n +1 --follow=name --pid="${pytest_pids[$label]}" "$log" 2>/dev/null
    wait "${pytest_pids[$label]}"
    status=$?
    unset "pytest_pids[$label]"
    counts=$("$python" tests/support/count_junit.py "$xml" "pytest $label" "$skipped_lines")
    if [ -z "$counts" ]; then
        count_failure "pytest left no report ($log)"
    else
        passed=$((passed + ${counts% *}))
        failed=$((failed + ${counts#* }))
        if [ "$status" -gt 1 ] || { [ "$status" -eq 1 ] && [ "${counts#* }" -eq 0 ]; }; then
            count_failure "pytest ended with status $status ($log)"
        fi
    fi
    count_sanitizer_reports "$label"
}

# Starts the processes that share all tests of a build, file by file (tests/support/file_queue.py): what
# one waits for, another uses. Where the debug build is tried too, what no build changes is left to it.
start_sharing() {
    local preset=$1 has_debug=$2 number queue=build/test/queue-$1
    local -a more=()
    shift 2
    rm -rf "$queue"
    mkdir -p "$queue"
    if [ "$preset" != debug ] && [ "$has_debug" -eq 1 ]; then
        more=(-m "not no_program")
        say "$preset: what starts no program (tests/support/no_program.py) is run with debug alone" \
            >>"$skipped_lines"
    fi
    for ((number = 1; number <= sharing; number++)); do
        HANDBELL_TEST_QUEUE=$PWD/$queue start_pytest "$preset-$number" -p tests.support.file_queue \
            -o console_output_style=classic "$@" "${more[@]}" tests
        labels+=("$preset-$number")
    done
}

# Begins them against each of these builds, side by side. Arguments for pytest come behind a "--". Where
# they name no file all tests are run.
declare -a labels=()
begin_pytest() {
    local preset has_debug=0
    local -a presets=()
    labels=()
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        presets+=("$1")
        [ "$1" != debug ] || has_debug=1
        shift
    done
    shift
    for preset in "${presets[@]}"; do
        if has_path "$@"; then
            start_pytest "$preset" "$@"
            labels+=("$preset")
        else
            start_sharing "$preset" "$has_debug" "$@"
        fi
    done
}

finish_pytest() {
    local label
    for label in "${labels[@]}"; do
        stage "pytest, $label"
        end_pytest "$label"
        stage_end
    done
}

run_pytest() {
    begin_pytest "$@"
    finish_pytest
}

# Runs a stage beside what comes next. What it says and counts comes with finish_background.
begin_in_background() {
    local good=$passed bad=$failed
    rm -f build/test/background.counts
    (
        "$@"
        printf '%d %d\n' "$((passed - good))" "$((failed - bad))" >build/test/background.counts
    ) >build/test/background.log 2>&1 &
    background_pid=$!
}

finish_background() {
    local good bad
    wait "$background_pid"
    background_pid=""
    cat build/test/background.log
    if [ -e build/test/background.counts ] && read -r good bad <build/test/background.counts; then
        passed=$((passed + good))
        failed=$((failed + bad))
    else
        count_failure "a stage did not come to its end (build/test/background.log)"
    fi
}

build_stage() {
    stage "build, $1"
    build_preset "$1" || count_failure "build, $1"
    stage_end
}

run_everything() {
    local preset
    for preset in debug sanitizers clang; do
        build_stage "$preset"
    done
    HANDBELL_UNIT_STEP=$unit_step begin_in_background run_unit_programs debug valgrind valgrind --quiet --error-exitcode=99 \
        --leak-check=full --errors-for-leak-kinds=definite,indirect --child-silent-after-fork=yes
    run_unit_programs debug debug
    run_unit_programs sanitizers sanitizers
    run_unit_programs clang clang
    begin_pytest debug sanitizers --
    finish_background
    finish_pytest
}

run_one_preset() {
    local preset=$1 has_unit=$2
    shift 2
    build_stage "$preset"
    if [ "$has_unit" = only ] || [ $# -eq 0 ]; then
        run_unit_programs "$preset" "$preset"
    fi
    [ "$has_unit" = only ] || run_pytest "$preset" -- "$@"
}

run_tests() {
    local preset="" has_unit=too
    local started=$SECONDS
    rm -rf build/test
    mkdir -p build/test
    : >"$skipped_lines"
    make_temporary_folder
    # Sanitizers answer for the unit programs on their own output; pytest redirects them.
    export ASAN_OPTIONS=detect_leaks=1:halt_on_error=1
    export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    # Collections of inputs that are not ours to keep here; tests skip, and say so, without them.
    if [ -z "${HANDBELL_CORPORA:-}" ] && [ -d ../shared/corpora ]; then
        export HANDBELL_CORPORA=$PWD/../shared/corpora
    fi
    while [ $# -gt 0 ]; do
        case $1 in
        --preset)
            preset=${2:?a preset after --preset}
            shift
            ;;
        --unit) has_unit=only ;;
        --full) # tests/support/scale.py
            export HANDBELL_TEST_FULL=1
            pytest_limit_s=21600
            unit_step=1
            ;;
        *) break ;;
        esac
        shift
    done
    if [ -z "$preset" ] && [ "$has_unit" = too ] && [ $# -eq 0 ]; then
        run_everything
    else
        run_one_preset "${preset:-debug}" "$has_unit" "$@"
    fi
    say "== skipped"
    if [ -s "$skipped_lines" ]; then sort "$skipped_lines" | uniq; else say "nothing"; fi
    say "took $(seconds_since "$started") s"
    say "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
