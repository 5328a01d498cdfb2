# shellcheck shell=bash
# The checks of ./dev lint, and their sum. Read by ./dev.

: "${python:=/usr/bin/python3}"
findings=0

# One check: "$2..." writes its findings; lines that match the pattern "$1" are counted, each once. A
# tool that ends badly without such a line counts as one.
check() {
    local name=$1 pattern=$2 started=$SECONDS status count log
    shift 2
    log=build/lint/${name// /-}.log
    "$@" >"$log" 2>&1
    status=$?
    count=$(grep -E "$pattern" "$log" | sort -u | wc -l)
    if [ "$count" -eq 0 ] && [ "$status" -ne 0 ]; then
        count=1
        tail -n 20 "$log"
    elif [ "$count" -gt 0 ]; then
        grep -E -A 4 "$pattern" "$log" | head -n 200
    fi
    findings=$((findings + count))
    say "$name: $count ($(seconds_since "$started") s)"
}

c_files() {
    find worker templates queue tests -name '*.c' -o -name '*.h' | LC_ALL=C sort
}

shell_files() {
    printf 'dev\n.ci/run\n'
    find tests systemd docs -name '*.sh' | LC_ALL=C sort
}

python_files() {
    find tests docs -name '*.py' | LC_ALL=C sort
}

lint_format() {
    c_files | xargs clang-format --dry-run -Werror --ferror-limit=1
}

# clang-tidy reads the compile commands of the clang build; header findings come through its own files.
lint_tidy() {
    cmake --preset clang || return 1
    c_files | grep -E '^(worker|templates|queue)/.*\.c$' |
        xargs -P 2 -n 4 clang-tidy --quiet -p build/clang
}

# It takes the name `template` for C++'s word, and then a pointer for an integer. Our processes have one
# thread where they call getpwuid or strtok.
lint_cppcheck() {
    cppcheck --quiet --error-exitcode=1 --inline-suppr --enable=warning,performance,portability \
        --std=c11 --library=posix -D_GNU_SOURCE -DHANDBELL_VERSION='"0"' -DHANDBELL_DATA_DIR='"/"' \
        --suppress=missingIncludeSystem --suppress=CastIntegerToAddressAtReturn \
        --suppress=getpwuidCalled --suppress=strtokCalled -I . -j 2 --template=gcc worker templates queue tests
}

lint_shell() {
    local -a files
    mapfile -t files < <(shell_files)
    shellcheck --external-sources --format=gcc "${files[@]}"
}

lint_python() {
    local -a files
    mapfile -t files < <(python_files)
    "$python" - "${files[@]}" <<'END' && pyflakes3 "${files[@]}"
import sys

for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as source:
        compile(source.read(), path, "exec")
END
}

lint_structure() {
    "$python" tests/support/lint_structure.py .
}

run_lint() {
    rm -rf build/lint
    mkdir -p build/lint
    check format 'error:' lint_format
    check structure '^[^ ]+:[0-9]+: ' lint_structure
    check shellcheck ': (error|warning|note):' lint_shell
    check python '^[^ ]+:[0-9]+:|Error' lint_python
    check cppcheck ': (error|warning|performance|portability):' lint_cppcheck
    check clang-tidy ': (error|warning):' lint_tidy
    say "lint: $findings findings"
    [ "$findings" -eq 0 ]
}
