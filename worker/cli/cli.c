/* From the command line to a subcommand with its settings loaded. */
#include "worker/cli/cli.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const char default_config_path[] = "/etc/handbell/handbell.conf";

enum { OPTION_CONFIG = 1000, OPTION_HELP };

static size_t count_options(const struct cli_command *command)
{
    size_t count = 0;
    while (command->options && command->options[count].name)
        count++;
    return count;
}

static void write_usage(FILE *stream)
{
    (void)fputs("usage: handbell SUBCOMMAND [--config FILE] [OPTION...] [WORD...]\n\n", stream);
    for (const struct cli_command *command = cli_commands(); command->name; command++) {
        (void)fprintf(stream, "  %-9s %s%s\n", command->name, command->summary,
                      command->is_available ? "" : " (not available yet)");
    }
    (void)fprintf(stream,
                  "\nhandbell SUBCOMMAND --help tells more. Settings are read from\n%s; the "
                  "environment's\nHANDBELL_SECTION_KEY overrides them. handbell --version names "
                  "the version.\n",
                  default_config_path);
}

static void write_command_usage(const struct cli_command *command, FILE *stream)
{
    int width = 10;
    (void)fprintf(stream, "usage: handbell %s [--config FILE] [--help]", command->name);
    for (size_t i = 0; i < count_options(command); i++) {
        const struct cli_option *option = &command->options[i];
        (void)fprintf(stream, " [--%s%s%s]", option->name, option->value_name ? " " : "",
                      option->value_name ? option->value_name : "");
    }
    (void)fprintf(stream, "%s%s\n\n%s%s\n", command->operands[0] ? " " : "", command->operands,
                  command->summary, command->is_available ? "" : " (not available yet)");
    for (size_t i = 0; i < count_options(command); i++)
        width = (int)strlen(command->options[i].name) > width
                    ? (int)strlen(command->options[i].name)
                    : width;
    for (size_t i = 0; i < count_options(command); i++)
        (void)fprintf(stream, "  --%-*s %s\n", width, command->options[i].name,
                      command->options[i].help);
}

static const struct cli_command *find_command(const char *name)
{
    for (const struct cli_command *command = cli_commands(); command->name; command++) {
        if (strcmp(command->name, name) == 0)
            return command;
    }
    return NULL;
}

/* A half-written answer on a full disk must not end in success. */
static int flush_output(int status)
{
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == EX_OK) {
        (void)fputs("handbell: standard output cannot be written\n", stderr);
        return EX_IOERR;
    }
    return status;
}

/* One line that names the mistake, and where to read on. What stands behind a '=' may be a secret.
 */
static int fail_usage(const struct cli_command *command, const char *problem, const char *word)
{
    (void)fprintf(stderr, "handbell %s: %s%s%.*s; handbell %s --help tells what it takes\n",
                  command->name, problem, *word ? " " : "", (int)strcspn(word, "="), word,
                  command->name);
    return EX_USAGE;
}

/* `found` is getopt's ':' or '?', `word` the one it has just read. */
static int fail_option(const struct cli_command *command, int found, const char *word)
{
    const char letter[] = {'-', (char)optopt, '\0'};
    bool is_short = found == '?' && optopt > ' ' && optopt <= '~';
    return fail_usage(command, found == ':' ? "a value is missing behind" : "wrong option",
                      is_short ? letter : word);
}

static int check_operands(const struct cli_arguments *arguments)
{
    const struct cli_command *command = arguments->command;
    if (arguments->argc >= command->operands_minimum &&
        arguments->argc <= command->operands_maximum)
        return -1;
    if (command->operands_maximum == 0)
        return fail_usage(command, "takes no words beside its options", "");
    return fail_usage(command, "wants:", command->operands);
}

/* -1: go on. Otherwise the exit status. */
static int parse_options(struct cli_arguments *arguments, int argc, char **argv,
                         const char **config_path)
{
    const struct cli_command *command = arguments->command;
    struct option options[CLI_OPTIONS_MAXIMUM + 3] = {
        {"config", required_argument, NULL, OPTION_CONFIG},
        {"help", no_argument, NULL, OPTION_HELP},
    };
    size_t count = count_options(command);
    if (count > CLI_OPTIONS_MAXIMUM)
        abort();
    for (size_t i = 0; i < count; i++) {
        const struct cli_option *option = &command->options[i];
        options[i + 2] = (struct option){
            option->name, option->value_name ? required_argument : no_argument, NULL, (int)i};
    }
    /* The words are argv[1..]. */
    int found;
    optind = 0;
    while ((found = getopt_long(argc, argv, ":", options, NULL)) != -1) {
        if (found == OPTION_HELP) {
            write_command_usage(command, stdout);
            return EX_OK;
        }
        if (found == OPTION_CONFIG)
            *config_path = optarg;
        else if (found >= 0 && (size_t)found < count)
            arguments->values[found] = optarg ? optarg : "";
        else
            return fail_option(command, found, argv[optind - 1]);
    }
    arguments->argc = argc - optind;
    arguments->argv = argv + optind;
    return check_operands(arguments);
}

static int run_command(struct cli_arguments *arguments, const char *named_path)
{
    struct error error = {0};
    arguments->config_path = named_path;
    /* The default file may be missing: the environment may say all. A named one may not. */
    if (!named_path && access(default_config_path, F_OK) == 0)
        arguments->config_path = default_config_path;
    arguments->config = config_load(arguments->config_path, cli_settings(), &error);
    if (!arguments->config)
        return cli_fail(arguments, &error);
    int status = arguments->command->run(arguments);
    config_free(arguments->config);
    return flush_output(status);
}

int cli_main(int argc, char **argv)
{
    if (argc < 2) {
        write_usage(stderr);
        return EX_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        write_usage(stdout);
        return flush_output(EX_OK);
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)puts("handbell " HANDBELL_VERSION);
        return flush_output(EX_OK);
    }
    struct cli_arguments arguments = {.command = find_command(argv[1])};
    if (!arguments.command) {
        (void)fprintf(stderr, "handbell: no subcommand %.40s; handbell --help lists them\n",
                      argv[1]);
        return EX_USAGE;
    }
    /* What does not exist yet says so, whatever it is asked with. */
    if (!arguments.command->is_available && (argc < 3 || strcmp(argv[2], "--help") != 0))
        return arguments.command->run(&arguments);
    const char *named_path = NULL;
    int status = parse_options(&arguments, argc - 1, argv + 1, &named_path);
    if (status >= 0)
        return flush_output(status);
    return run_command(&arguments, named_path);
}

static const char *option_value(const struct cli_arguments *arguments, const char *name)
{
    size_t count = count_options(arguments->command);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(arguments->command->options[i].name, name) == 0)
            return arguments->values[i];
    }
    (void)fprintf(stderr, "handbell %s: has no option --%s\n", arguments->command->name, name);
    abort();
}

bool cli_has_option(const struct cli_arguments *arguments, const char *name)
{
    return option_value(arguments, name) != NULL;
}

const char *cli_option_text(const struct cli_arguments *arguments, const char *name,
                            const char *otherwise)
{
    const char *value = option_value(arguments, name);
    return value ? value : otherwise;
}

int cli_fail(const struct cli_arguments *arguments, const struct error *error)
{
    /* What was found out stands before what came of it, also where both go into one file. */
    (void)fflush(stdout);
    (void)fprintf(stderr, "handbell %s: %s\n", arguments->command->name, error->text);
    return error->exit_status;
}
