#include <inttypes.h>

#include "base/cleanup.h"
#include "imapd/eas/item/item.h"
#include "imapd/eas/search/people.h"
#include "imapd/eas/search/run.h"
#include "imapd/eas/search/search.h"

#define SCRATCH_MAX ((size_t) 64 << 20)

/* ---- the answer: Search{Status, Response{Store{Status, Result*, Range, Total}}} ---- */

static void begin(struct eas_request *rq, unsigned int status)
{
	wbxml_open(&rq->out, SEARCH_SEARCH);
	wbxml_uint(&rq->out, SEARCH_STATUS, 1);
	wbxml_open(&rq->out, SEARCH_RESPONSE);
	wbxml_open(&rq->out, SEARCH_STORE);
	wbxml_uint(&rq->out, SEARCH_STATUS, status);
}

static void end(struct eas_request *rq)
{
	wbxml_close(&rq->out);
	wbxml_close(&rq->out);
	wbxml_close(&rq->out);
}

static void refuse(struct eas_request *rq, unsigned int status)
{
	if (status > 100) {
		eas_answer_status(rq, SEARCH_SEARCH, status);
		return;
	}
	begin(rq, status);
	end(rq);
}

/* Which results were written, and how many there are. Without any there is one empty result
 * (MS-ASCMD 2.2.3.147). */
static void put_range(struct eas_request *rq, size_t first, size_t n, size_t total)
{
	if (n == 0) {
		wbxml_empty(&rq->out, SEARCH_RESULT);
		return;
	}
	wbxml_str(&rq->out, SEARCH_RANGE, arena_printf(rq->a, "%zu-%zu", first, first + n - 1));
	wbxml_uint(&rq->out, SEARCH_TOTAL, total);
}

/* Where results begin and end that are asked for; false: behind the last. */
static bool choose(const struct search_request *q, size_t total, size_t *ret_first, size_t *ret_end)
{
	size_t first = q->first, end_ = (size_t) q->last + 1;

	if (first > SEARCH_RANGE_LAST || (first > 0 && first >= total))
		return false;
	if (end_ > SEARCH_RANGE_LAST + 1)
		end_ = SEARCH_RANGE_LAST + 1;
	*ret_first = first;
	*ret_end = end_ < total ? end_ : total;
	return true;
}

/* ---- mail ---- */

static int put_mail(struct eas_request *rq, const struct search_request *q, const struct search_hit *hit)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(SCRATCH_MAX);
	const struct eas_item_output how = { .schema = q->schema };
	struct wbxml_writer before = rq->out;
	size_t len = rq->out.out->len;
	struct eas_item_place place;
	struct eas_item item;
	int r = a ? search_item_of(rq, a, hit, &place, &item) : -POD_E_NOMEM;

	if (r < 0)
		return r;
	wbxml_open(&rq->out, SEARCH_RESULT);
	wbxml_str(&rq->out, AIRSYNC_CLASS, "Email");
	wbxml_str(&rq->out, SEARCH_LONGID, eas_item_server_id(a, place.folder_id, hit->uid));
	wbxml_str(&rq->out, AIRSYNC_COLLECTIONID, place.folder_id);
	wbxml_open(&rq->out, SEARCH_PROPERTIES);
	r = eas_item_write_as(rq, &item, &q->options, &how);
	if (r < 0) { /* expunged between the row and its bytes */
		rq->out = before;
		rq->out.out->len = len;
		return r;
	}
	wbxml_close(&rq->out);
	wbxml_close(&rq->out);
	return 0;
}

static void search_mail(struct eas_request *rq, const struct search_request *q)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(SCRATCH_MAX);
	struct search_hits hits = { .n = 0 };
	size_t first, last, n = 0;
	int r = a ? eas_search_run(rq, a, q, &hits) : -POD_E_NOMEM;

	if (r == -POD_E_NOTFOUND) {
		refuse(rq, SEARCH_STATUS_FOLDER_SYNC);
	} else if (r < 0) {
		refuse(rq, r == -POD_E_LIMIT ? SEARCH_STATUS_TOO_COMPLEX : SEARCH_STATUS_SERVER_ERROR);
	} else if (!choose(q, hits.n, &first, &last)) {
		refuse(rq, SEARCH_STATUS_END_OF_RANGE);
	} else {
		begin(rq, SEARCH_STATUS_OK);
		for (size_t i = first; i < last; i++)
			n += put_mail(rq, q, &hits.hits[i]) == 0;
		put_range(rq, first, n, hits.n);
		end(rq);
	}
}

/* ---- people ---- */

static void search_people(struct eas_request *rq, const struct search_request *q)
{
	struct people people;
	size_t first, last;
	int r = people_find(rq, q->text, &people);

	if (r < 0) {
		refuse(rq, SEARCH_STATUS_SERVER_ERROR);
		return;
	}
	if (!choose(q, people.n, &first, &last)) {
		refuse(rq, SEARCH_STATUS_END_OF_RANGE);
		return;
	}
	begin(rq, SEARCH_STATUS_OK);
	for (size_t i = first; i < last; i++) {
		wbxml_open(&rq->out, SEARCH_RESULT);
		wbxml_open(&rq->out, SEARCH_PROPERTIES);
		people_write(rq, &people.found[i], q->pictures);
		wbxml_close(&rq->out);
		wbxml_close(&rq->out);
	}
	put_range(rq, first, last - first, people.n);
	end(rq);
}

void eas_cmd_search(struct eas_request *rq)
{
	const struct wbxml_node *store = wbxml_child(rq->body, SEARCH_STORE);
	struct search_request q;
	unsigned int status;

	if (!store || wbxml_again(store)) {
		refuse(rq, SEARCH_STATUS_BAD_REQUEST);
		return;
	}
	status = search_request_read(store, rq->version, &q);
	if (status > 0)
		refuse(rq, status);
	else if (q.store == SEARCH_MAILBOX)
		search_mail(rq, &q);
	else if (q.store == SEARCH_PEOPLE)
		search_people(rq, &q);
	else
		refuse(rq, SEARCH_STATUS_NOT_FOUND); /* there are no document libraries */
}
