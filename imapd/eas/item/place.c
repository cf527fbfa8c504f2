#include "imapd/eas/item/item.h"

int eas_item_place_of(struct arena *a, const Podstore__Mailbox *mailbox, struct span folder_id,
                      struct eas_item_place *ret_place)
{
	struct eas_item_place place = {
		.folder_id = arena_str(a, folder_id),
		.mailbox = mailbox->id,
		.name = mailbox->name,
		.keywords = mailbox->keywords,
		.keywords_n = mailbox->n_keywords,
		.drafts = strcmp(mailbox->special_use, "\\Drafts") == 0,
	};

	if (!place.folder_id)
		return -POD_E_NOMEM;
	*ret_place = place;
	return 0;
}
