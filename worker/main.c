/* Where the process starts. It closes what could leak what it will know, and goes to the command
 * line. */
#include "worker/cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>

/* People's names and addresses pass through this memory: no core file holds them, and no other
 * process of the same user reads them. */
static bool keep_memory_private(void)
{
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = 0};
    return setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

int main(int argc, char **argv)
{
    if (!keep_memory_private()) {
        (void)fputs("handbell: core files cannot be switched off\n", stderr);
        return EX_OSERR;
    }
    /* A peer that closes early is an error of that write, never the process's end. */
    (void)signal(SIGPIPE, SIG_IGN);
    /* A file that may not grow any more is an error of that write, too. */
    (void)signal(SIGXFSZ, SIG_IGN);
    return cli_main(argc, argv);
}
