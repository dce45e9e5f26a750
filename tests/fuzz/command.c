/* command.c - the command's inputs: arguments, lines on standard input, and the outputs that show names.
 *
 * The command runs in this process, on a fresh segment that an argument names as "@". Input: commands ended by RS
 * (0x1e), arguments by US (0x1f); what follows a GS (0x1d) in a command is its standard input. In place of
 * lib/cli/signals.c: time passes when somebody sleeps, and a command that looks for signals often enough gets one.
 */
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../../lib/cli/signals.h"
#include "../../lib/cli/text.h"
#include "fuzz.h"
#include "layout.h"

#include <getopt.h>

enum { COMMANDS = 8, ARGUMENTS = 24, LOOKS = 500, LARGEST_FILE = 4 << 20 };

int conveyor_main(int argc, char **argv);

static int looks;

void cli_note_signals(void) {}
int cli_signals(void) { return ++looks / LOOKS; }
int64_t cli_now_ns(void) { return (int64_t)(fuzz_clock_ns += 1000); }
void cli_sleep(int64_t ns) { fuzz_clock_ns += ns > 0 ? (uint64_t)ns : 0; }

int cli_wait_readable(int fd, int64_t timeout_ns)
{
    (void)fd;
    cli_sleep(timeout_ns < 0 ? 0 : timeout_ns);
    return 1;
}

struct call {
    int argc;
    char *argv[ARGUMENTS + 2], *input;
    size_t input_size;
};

/* Cuts one command out of the text; what is left of the text, or NULL. */
static char *cut(char *text, char *end, struct call *c)
{
    char *stop = memchr(text, 0x1e, (size_t)(end - text)), *own = stop ? stop : end;
    *c = (struct call){.argc = 1, .argv = {(char *)(uintptr_t) "conveyor"}};
    *own = 0;
    c->input = memchr(text, 0x1d, (size_t)(own - text));
    if (c->input) {
        *c->input++ = 0;
        c->input_size = (size_t)(own - c->input);
    }
    for (char *at = text; at && c->argc <= ARGUMENTS;) {
        c->argv[c->argc++] = at;
        at = strchr(at, 0x1f);
        if (at)
            *at++ = 0;
    }
    return stop ? stop + 1 : NULL;
}

static bool is_there(const char *name)
{
    char path[300];
    name += name[0] == '/';
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    return *name && strlen(name) < 256 && !access(path, F_OK);
}

/* Names the segment, and leaves others that this machine may have alone; false if the call must not be made. */
static bool prepare(struct call *c)
{
    static char name[64];
    snprintf(name, sizeof name, "%s", fuzz_segment());
    for (int i = 1; i < c->argc; i++)
        if (!strcmp(c->argv[i], "@"))
            c->argv[i] = name;
        else if (is_there(c->argv[i]))
            return false;
    return c->argc > 1 && strcmp(c->argv[1], "bench");
}

/* Segments that it made under other names. */
static void remove_made(const struct call *c)
{
    for (int i = 1; i < c->argc; i++)
        if (strcmp(c->argv[i], fuzz_segment()) && is_there(c->argv[i]))
            cvb_unlink(c->argv[i]);
}

static int file_with(const char *bytes, size_t size)
{
    int fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    FUZZ_CHECK(fd >= 0 && pwrite(fd, bytes, size, 0) == (ssize_t)size, "no file");
    return fd;
}

static bool has(const struct call *c, const char *argument)
{
    for (int i = 1; i < c->argc; i++)
        if (!strcmp(c->argv[i], argument))
            return true;
    return false;
}

/* What is for programs can be read by them, and what is for people has no control characters. */
static void check_output(const struct call *c, char *text, size_t size)
{
    if (!strncmp(text, "usage:", 6) || !strcmp(c->argv[1], "pull"))
        return;
    for (size_t i = 0; i < size; i++)
        FUZZ_CHECK((unsigned char)text[i] >= 32 || text[i] == '\n', "a control character in the output of %s",
                   c->argv[1]);
    if (!has(c, "--json") && strcmp(c->argv[1], "watch"))
        return;
    json_error_t error;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *object = json_loads(line, 0, &error);
        FUZZ_CHECK(object, "no JSON: %s: %s", error.text, line);
        json_decref(object);
    }
}

static void call(struct call *c)
{
    static char text[LARGEST_FILE + 1];
    int in = file_with(c->input ? c->input : "", c->input_size), out = file_with("", 0);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    looks = optind = 0;
    cli_begin("");
    fuzz_begin(c->argv[1]);
    int status = conveyor_main(c->argc, c->argv);
    fflush(stdout);
    clearerr(stdout);
    const int most = strcmp(c->argv[1], "check") ? 2 : 3; /* what monitors ask: 3 is what cannot be told */
    FUZZ_CHECK(status >= 0 && status <= most, "%s ended with %d", c->argv[1], status);
    ssize_t size = pread(out, text, LARGEST_FILE, 0);
    text[size > 0 ? size : 0] = 0;
    if (!status)
        check_output(c, text, (size_t)size);
    close(in);
    close(out);
}

static void remove_segment(void) { cvb_unlink(fuzz_segment()); }

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const struct rlimit most = {LARGEST_FILE, LARGEST_FILE}; /* "create" asks for any size */
    (void)argc;
    (void)argv;
    signal(SIGXFSZ, SIG_IGN);
    FUZZ_CHECK(!setrlimit(RLIMIT_FSIZE, &most), "no limit for files");
    atexit(remove_segment);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cvb_settings s = fuzz_settings();
    struct call c;
    char *text = malloc(size + 1), *at = text;
    memcpy(text, data, size);
    fuzz_clock_ns = 1;
    remove_segment();
    FUZZ_CHECK(!cvb_create(fuzz_segment(), &s), "no segment");
    for (int i = 0; at && i < COMMANDS; i++) {
        at = cut(at, text + size, &c);
        if (!prepare(&c))
            continue;
        call(&c);
        remove_made(&c);
    }
    free(text);
    return 0;
}
