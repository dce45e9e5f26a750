/* options.c - options of a subcommand as a table: parsing, checking and --help come from it. */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

enum { HELP = 1000, MOST_OPTIONS = 32 };

static bool is_short(const struct cli_option *o) { return !o->name[1]; }

static int help(const struct cli_command *c, const struct cli_option *o, size_t count)
{
    cli_print_usage(c);
    printf("\n%s.\n", c->summary);
    if (c->details)
        printf("\n%s\n", c->details);
    puts("\noptions:");
    for (size_t i = 0; i < count; i++) {
        char left[64];
        snprintf(left, sizeof left, "%s%s%s%s", is_short(&o[i]) ? "-" : "--", o[i].name, o[i].argument ? " " : "",
                 o[i].argument ? o[i].argument : "");
        printf("  %-30s  %s\n", left, o[i].help);
    }
    printf("  %-30s  %s\n", "--help", "this text");
    return cli_close_output();
}

static bool parse_digits(const char *text, int base, uint64_t min, uint64_t max, uint64_t *value)
{
    char *end;
    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    unsigned long long n = strtoull(text, &end, base);
    *value = n;
    return !errno && !*end && n >= min && n <= max;
}

bool cli_whole(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
    return parse_digits(text, 10, min, max, value);
}

bool cli_whole_with_unit(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
    static const struct {
        const char *name;
        uint64_t times;
    } unit[] = {{"k", 1000}, {"M", 1000000}, {"Ki", 1024}, {"Mi", 1024 * 1024}};
    char digits[24];
    size_t n = strspn(text, "0123456789");
    if (!text[n])
        return cli_whole(text, min, max, value);
    if (n >= sizeof digits)
        return false;
    memcpy(digits, text, n);
    digits[n] = 0;
    for (size_t i = 0; i < sizeof unit / sizeof unit[0]; i++)
        if (!strcmp(text + n, unit[i].name) && cli_whole(digits, 0, max / unit[i].times, value)) {
            *value *= unit[i].times;
            return *value >= min;
        }
    return false;
}

static bool parse_real(const char *text, double min, double max, double *value)
{
    char *end;
    if (!*text || text[strspn(text, "0123456789.")])
        return false;
    *value = strtod(text, &end);
    return !*end && isfinite(*value) && *value >= min && *value <= max;
}

static int set(const struct cli_option *o, const char *text)
{
    uint64_t number = 0;
    bool good = true;
    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)o->to = true;
        break;
    case CLI_TEXT:
    case CLI_NEED:
        *(const char **)o->to = text;
        break;
    case CLI_LIST:
        if (((struct cli_list *)o->to)->count < CLI_LIST_MAX) {
            ((struct cli_list *)o->to)->item[((struct cli_list *)o->to)->count++] = text;
            break;
        }
        cli_complain("--%s: it may be given %d times at most", o->name, CLI_LIST_MAX);
        return CLI_USAGE;
    case CLI_REAL:
        if (parse_real(text, o->min, o->max, o->to))
            break;
        cli_complain("--%s: '%s' is not a number from %g to %.12g", o->name, text, o->min, o->max);
        return CLI_USAGE;
    case CLI_WHOLE:
    case CLI_OCTAL:
        good = o->kind == CLI_OCTAL ? parse_digits(text, 8, (uint64_t)o->min, (uint64_t)o->max, &number)
                                    : cli_whole_with_unit(text, (uint64_t)o->min, (uint64_t)o->max, &number);
        *(uint32_t *)o->to = (uint32_t)number;
        break;
    }
    if (!good && o->kind == CLI_OCTAL)
        cli_complain("--%s: '%s' is not an octal number from %o to %o", o->name, text, (unsigned)o->min,
                     (unsigned)o->max);
    else if (!good)
        cli_complain("--%s: '%s' is not a whole number from %.0f to %.0f (k, M, Ki and Mi may follow)", o->name, text,
                     o->min, o->max);
    return good ? CLI_GO : CLI_USAGE;
}

static int wrong_option(const struct cli_command *c, int found, char **argv)
{
    const char *given = argv[optind - 1];
    if (found == ':')
        cli_complain("%s needs a value; see 'conveyor %s --help'", given, c->name);
    else if (optopt && optopt < HELP && given[1] != '-')
        cli_complain("there is no option '-%c'; see 'conveyor %s --help'", optopt, c->name);
    else if (optopt)
        cli_complain("%s takes no value; see 'conveyor %s --help'", given, c->name);
    else
        cli_complain("there is no option '%s', or it could be several; see 'conveyor %s --help'", given, c->name);
    return CLI_USAGE;
}

static int check_operands(const struct cli_command *c, int argc, char **argv, const struct cli_option *o, size_t count,
                          const char **operand, int operands)
{
    if (argc - optind < operands)
        cli_complain("%s is missing; see 'conveyor %s --help'", argc == optind ? "the segment's name" : "an argument",
                     c->name);
    else if (argc - optind > operands)
        cli_complain("'%s' is one argument too many; see 'conveyor %s --help'", argv[optind + operands], c->name);
    if (argc - optind != operands)
        return CLI_USAGE;
    for (int i = 0; i < operands; i++)
        operand[i] = argv[optind + i];
    if (operands && operand[0][0] == '/' && operand[0][1] != '/')
        operand[0]++; /* a segment's name may be written as shm_open wants it */
    for (size_t i = 0; i < count; i++)
        if (o[i].kind == CLI_NEED && !*(const char **)o[i].to) {
            cli_complain("--%s %s is missing; see 'conveyor %s --help'", o[i].name, o[i].argument, c->name);
            return CLI_USAGE;
        }
    return CLI_GO;
}

int cli_parse(const struct cli_command *c, int argc, char **argv, const struct cli_option *o, size_t count,
              const char **operand, int operands)
{
    struct option table[MOST_OPTIONS + 2] = {{"help", no_argument, NULL, HELP}}, *next = table + 1;
    char letters[MOST_OPTIONS + 3] = ":h"; /* flags only */
    for (size_t i = 0; i < count && i < MOST_OPTIONS; i++)
        if (is_short(&o[i]))
            strcat(letters, o[i].name);
        else
            *next++ =
                (struct option){o[i].name, o[i].argument ? required_argument : no_argument, NULL, HELP + 1 + (int)i};
    opterr = 0;
    unsetenv("POSIXLY_CORRECT"); /* getopt would take no option behind an operand */
    for (int found; (found = getopt_long(argc, argv, letters, table, NULL)) != -1;) {
        if (found == HELP || found == 'h')
            return help(c, o, count);
        for (size_t i = 0; i < count && found < HELP; i++)
            if (is_short(&o[i]) && *o[i].name == found)
                found = HELP + 1 + (int)i;
        if (found < HELP)
            return wrong_option(c, found, argv);
        int status = set(&o[found - HELP - 1], optarg);
        if (status != CLI_GO)
            return status;
    }
    return check_operands(c, argc, argv, o, count, operand, operands);
}
