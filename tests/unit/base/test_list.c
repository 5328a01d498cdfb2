/* Proves that an object is in one list at most, and that lists keep their order and count. */
#include "worker/base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct item {
    int number;
    struct list_link link;
};

static int number_at(const struct list *list, size_t index)
{
    struct list_link *link = list->first;
    while (index-- > 0)
        link = link->next;
    return LIST_OBJECT(link, struct item, link)->number;
}

static void joining_one_list_leaves_the_other(void **state)
{
    (void)state;
    struct list first = {0};
    struct list second = {0};
    struct item items[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    for (int i = 0; i < 3; i++)
        list_join(&first, &items[i].link);
    list_join(&second, &items[1].link);
    assert_int_equal(first.count, 2);
    assert_int_equal(number_at(&first, 0), 0);
    assert_int_equal(number_at(&first, 1), 2);
    assert_int_equal(second.count, 1);
    assert_ptr_equal(items[1].link.list, &second);
    list_join(&first, &items[0].link);
    assert_int_equal(number_at(&first, 0), 2);
    assert_int_equal(number_at(&first, 1), 0);
    assert_int_equal(first.count, 2);
}

static void the_object_at_hand_may_leave_while_all_are_visited(void **state)
{
    (void)state;
    struct list list = {0};
    struct item items[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
    int sum = 0;
    for (int i = 0; i < 4; i++)
        list_join(&list, &items[i].link);
    LIST_EACH(link, &list)
    {
        sum += LIST_OBJECT(link, struct item, link)->number;
        list_leave(link);
        list_leave(link);
    }
    assert_int_equal(sum, 6);
    assert_true(list_is_empty(&list));
    assert_int_equal(list.count, 0);
    assert_null(list.last);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(joining_one_list_leaves_the_other),
        cmocka_unit_test(the_object_at_hand_may_leave_while_all_are_visited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
