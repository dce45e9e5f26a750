/* The word's fields do not touch each other, and a 16-byte CAS changes both halves or none. */
#include "word.h"

#include <criterion/criterion.h>

Test(word, fields_keep_apart)
{
    uint64_t hi = cvb_hi(0x80000001u, 0xfff, 0x3ff, 0xff);
    cr_assert_eq(cvb_hi_mask(hi), 0x80000001u);
    cr_assert_eq(cvb_hi_stage(hi), 0xfff);
    cr_assert_eq(cvb_hi_seat(hi), 0x3ff);
    cr_assert_eq(cvb_hi_retry(hi), 0xff);
    cr_assert_eq(hi & CVB_HI_SPLIT, 0);
    uint64_t lo = cvb_lo_generation(CVB_LEASED, CVB_NUMBER_MASK);
    cr_assert_eq(cvb_lo_state(lo), CVB_LEASED);
    cr_assert_eq(cvb_lo_number(lo), CVB_NUMBER_MASK);
    cr_assert_neq(lo, cvb_lo_position(CVB_LEASED, CVB_NUMBER_MASK));
}

Test(word, cas_is_all_or_nothing)
{
    struct cvb_pair w = {1, 2};
    cr_assert_not(cvb_cas_pair(&w, (struct cvb_pair){1, 3}, (struct cvb_pair){7, 8}));
    cr_assert_not(cvb_cas_pair(&w, (struct cvb_pair){0, 2}, (struct cvb_pair){7, 8}));
    cr_assert(w.lo == 1 && w.hi == 2);
    cr_assert(cvb_cas_pair(&w, (struct cvb_pair){1, 2}, (struct cvb_pair){7, 8}));
    cr_assert(w.lo == 7 && w.hi == 8);
}
