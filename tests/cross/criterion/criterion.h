/* criterion.h - stands for criterion where it cannot run: its sandbox does not work under qemu's user mode.
 *
 * As much of it as the tests use, for programs of one file: each test runs in a forked child of its own.
 */
#ifndef CROSS_CRITERION_H
#define CROSS_CRITERION_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CROSS_SKIPPED = 77, CROSS_SLOWER = 20 };

struct cross_options {
    void (*init)(void), (*fini)(void);
    double timeout;
};

struct cross_test {
    struct cross_test *next;
    const char *suite, *name;
    void (*run)(void); /* NULL: a suite's options */
    struct cross_options options;
};

static struct cross_test *cross_tests;
static int cross_failed;

static inline void cross_say(const char *file, int line, const char *what, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s:%d: %s: ", file, line, what);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

static inline void cross_run(const struct cross_test *t)
{
    const struct cross_test *suite = cross_tests;
    while (suite && (suite->run || strcmp(suite->suite, t->suite)))
        suite = suite->next;
    void (*init)(void) = t->options.init ? t->options.init : suite ? suite->options.init : NULL;
    void (*fini)(void) = t->options.fini ? t->options.fini : suite ? suite->options.fini : NULL;
    alarm((unsigned)((t->options.timeout ? t->options.timeout : 30) * CROSS_SLOWER));
    if (init)
        init();
    t->run();
    if (fini)
        fini();
    fflush(stdout);
    _exit(cross_failed);
}

int main(void)
{
    int failed = 0, status;
    for (const struct cross_test *t = cross_tests; t; t = t->next) {
        if (!t->run)
            continue;
        fflush(stdout);
        pid_t child = fork();
        if (!child)
            cross_run(t);
        waitpid(child, &status, 0);
        int skipped = WIFEXITED(status) && WEXITSTATUS(status) == CROSS_SKIPPED, bad = status && !skipped;
        printf("%s %s::%s\n", skipped ? "SKIP" : bad ? "FAIL" : "OK  ", t->suite, t->name);
        failed |= bad;
    }
    return failed;
}

#define CROSS_ADD(test)                                                                                                \
    __attribute__((constructor)) static void cross_add_##test(void)                                                    \
    {                                                                                                                  \
        struct cross_test **end = &cross_tests;                                                                        \
        while (*end)                                                                                                   \
            end = &(*end)->next;                                                                                       \
        *end = &cross_##test;                                                                                          \
    }
#define Test(of, called, ...)                                                                                          \
    static void test_##of##_##called(void);                                                                            \
    static struct cross_test cross_##of##_##called = {                                                                 \
        .suite = #of, .name = #called, .run = test_##of##_##called, .options = {__VA_ARGS__}};                         \
    CROSS_ADD(of##_##called)                                                                                           \
    static void test_##of##_##called(void)
#define TestSuite(of, ...)                                                                                             \
    static struct cross_test cross_##of = {.suite = #of, .options = {__VA_ARGS__}};                                    \
    CROSS_ADD(of)

#define CROSS_CHECK(condition, text, otherwise, ...)                                                                   \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            cross_say(__FILE__, __LINE__, text, " " __VA_ARGS__);                                                      \
            otherwise;                                                                                                 \
        }                                                                                                              \
    } while (0)
#define CROSS_ASSERT(condition, text, ...) CROSS_CHECK(condition, text, _exit(1), __VA_ARGS__)
#define CROSS_EXPECT(condition, text, ...) CROSS_CHECK(condition, text, cross_failed = 1, __VA_ARGS__)

#define cr_assert(c, ...) CROSS_ASSERT(c, #c, __VA_ARGS__)
#define cr_assert_not(c, ...) CROSS_ASSERT(!(c), "not " #c, __VA_ARGS__)
#define cr_assert_eq(a, b, ...) CROSS_ASSERT((a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...) CROSS_ASSERT((a) != (b), #a " != " #b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...) CROSS_ASSERT((a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...) CROSS_ASSERT((a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...) CROSS_ASSERT((a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...) CROSS_ASSERT((a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_assert_null(p, ...) CROSS_ASSERT(!(p), #p " is NULL", __VA_ARGS__)
#define cr_assert_not_null(p, ...) CROSS_ASSERT(p, #p " is not NULL", __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) CROSS_ASSERT(!strcmp(a, b), #a " == " #b, __VA_ARGS__)
#define cr_assert_str_neq(a, b, ...) CROSS_ASSERT(strcmp(a, b), #a " != " #b, __VA_ARGS__)
#define cr_expect(c, ...) CROSS_EXPECT(c, #c, __VA_ARGS__)
#define cr_expect_eq(a, b, ...) CROSS_EXPECT((a) == (b), #a " == " #b, __VA_ARGS__)
#define cr_expect_lt(a, b, ...) CROSS_EXPECT((a) < (b), #a " < " #b, __VA_ARGS__)
#define cr_expect_gt(a, b, ...) CROSS_EXPECT((a) > (b), #a " > " #b, __VA_ARGS__)
#define cr_expect_leq(a, b, ...) CROSS_EXPECT((a) <= (b), #a " <= " #b, __VA_ARGS__)
#define cr_expect_geq(a, b, ...) CROSS_EXPECT((a) >= (b), #a " >= " #b, __VA_ARGS__)
#define cr_expect_null(p, ...) CROSS_EXPECT(!(p), #p " is NULL", __VA_ARGS__)
#define cr_expect_str_eq(a, b, ...) CROSS_EXPECT(!strcmp(a, b), #a " == " #b, __VA_ARGS__)
#define cr_expect_arr_eq(a, b, n, ...) CROSS_EXPECT(!memcmp(a, b, n), #a " == " #b, __VA_ARGS__)
#define cr_expect_arr_neq(a, b, n, ...) CROSS_EXPECT(memcmp(a, b, n), #a " != " #b, __VA_ARGS__)
#define cr_log_info(...) cross_say(__FILE__, __LINE__, "note", __VA_ARGS__)
#define cr_skip_test(...)                                                                                              \
    do {                                                                                                               \
        cross_say(__FILE__, __LINE__, "skipped", " " __VA_ARGS__);                                                     \
        _exit(CROSS_SKIPPED);                                                                                          \
    } while (0)

#endif
