/* Names of mailboxes that belong to a desk. A person who is taken for one only sees their own name
 * in a subject, so the list may be generous; it may not be so generous that surnames are on it. */
#include "worker/model/shared_mailbox.h"

#include <stddef.h>
#include <string.h>

enum { NAME_BYTES = 64 };

/* In alphabetical order, without '.', '-' and '_'. The Welsh ones: swyddfa office, ysgol school,
 * pennaeth head, post post, ysgrifennydd secretary, gweinyddol and gweinyddwr administration,
 * ymholiadau enquiries, gwybodaeth information, derbynfa reception, cyllid finance. */
static const char *const generic_names[] = {
    "accounts",
    "admin",
    "administration",
    "administrator",
    "admissions",
    "bookings",
    "bursar",
    "business",
    "businessmanager",
    "contact",
    "cpd",
    "cyllid",
    "deputyhead",
    "derbynfa",
    "enquiries",
    "enquiry",
    "finance",
    "frontdesk",
    "frontoffice",
    "generaloffice",
    "governors",
    "gweinyddol",
    "gweinyddwr",
    "gwybodaeth",
    "head",
    "headmaster",
    "headmistress",
    "headsoffice",
    "headteacher",
    "hello",
    "help",
    "hr",
    "info",
    "information",
    "inquiries",
    "invoices",
    "mail",
    "mainoffice",
    "manager",
    "nursery",
    "office",
    "officeadmin",
    "officemanager",
    "pa",
    "parents",
    "pennaeth",
    "post",
    "postmaster",
    "preschool",
    "principal",
    "reception",
    "receptionist",
    "reply",
    "sbm",
    "school",
    "schooladmin",
    "schooloffice",
    "schools",
    "secretary",
    "senco",
    "slt",
    "staff",
    "support",
    "swyddfa",
    "swyddfaysgol",
    "team",
    "theoffice",
    "training",
    "ymholiadau",
    "ysgol",
    "ysgrifennydd",
};

static bool is_listed(const char *name)
{
    size_t low = 0;
    size_t high = sizeof(generic_names) / sizeof(generic_names[0]);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, generic_names[middle]);
        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

bool shared_mailbox_is_generic(const char *address)
{
    const char *at = address != NULL ? strrchr(address, '@') : NULL;
    char name[NAME_BYTES + 1];
    size_t size = 0;
    if (at == NULL)
        return false;
    for (const char *c = address; c < at && *c != '+'; c++) {
        if (*c == '.' || *c == '-' || *c == '_')
            continue;
        if (size == NAME_BYTES)
            return false;
        name[size++] = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    }
    while (size > 0 && name[size - 1] >= '0' && name[size - 1] <= '9')
        size--;
    name[size] = '\0';
    return is_listed(name);
}
