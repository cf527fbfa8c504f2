/* People of the user's domain out of the directory (MS-ASCMD 2.2.1.16, GAL). Internal to imapd/eas/search. */
#ifndef POD_IMAPD_EAS_SEARCH_PEOPLE_H
#define POD_IMAPD_EAS_SEARCH_PEOPLE_H

#include "directory/directory.h"
#include "imapd/eas/eas.h"

struct people {
	struct directory_person *found;
	size_t n;
};

/* Whose name, address or alias begins with text; in rq->a. 0 or -POD_E_*. */
int people_find(struct eas_request *rq, struct span text, struct people *ret_people);

/* Writes the properties of one. pictures: it is asked for one, of which there is none (status 173). */
void people_write(struct eas_request *rq, const struct directory_person *person, bool pictures);

#endif
