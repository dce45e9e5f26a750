/* sleeper.h - the kernel's side of a sleep, for the models in which somebody waits. */
static int asleep;
static uint32_t *slept_on, slept_value;

uint32_t cvb_futex_wake(uint32_t *word, uint32_t most) { return (void)word, (void)most, 0; }
bool cvb_is_woken(struct cvb_handle *h) { return (void)h, false; }
bool cvb_futex_has_waitv(void) { return true; }
uint64_t cvb_monotonic_ns(void) { return 0; }
uint64_t cvb_coarse_ns(void) { return 0; }

/* The kernel looks at the word again under its own lock, and sleeps; a change of the word after that comes with a wake.
 */
enum cvb_slept cvb_futex_wait(struct cvb_handle *h, uint32_t *word, uint32_t value, uint64_t until_ns)
{
    (void)h, (void)until_ns;
    if (__atomic_load_n(word, __ATOMIC_SEQ_CST) != value)
        return CVB_SLEPT_CHANGED;
    asleep = 1;
    slept_on = word;
    slept_value = value;
    return CVB_SLEPT_CHANGED;
}

enum cvb_slept cvb_futex_wait_any(struct cvb_handle *h, uint32_t *const *word, const uint32_t *value, size_t count,
                                  uint64_t until_ns)
{
    (void)count;
    return cvb_futex_wait(h, word[0], value[0], until_ns);
}
