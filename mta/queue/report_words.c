/* What reports say, by language. A new one is one entry here and one word in lib/conf/section_mta.c. */
#include "mta/queue/report.h"

#include <string.h>

#include "base/cleanup.h"

static const struct report_words languages[] = {
	{ .language = "en",
	  .from = "Mail Delivery System",
	  .intro = "This is the mail system at %s.",
	  .id = "The message's id here was %s.",
	  .until = "It is tried again until %s.",
	  .kinds = { [REPORT_FAILED] = { "Undelivered mail returned to sender",
	                                 "Your message could not be delivered to these recipients:" },
	             [REPORT_DELAYED] = { "Mail delivery is delayed",
	                                  "Your message could not be delivered to these recipients yet. It is tried again; "
	                                  "there is nothing to do for you:" },
	             [REPORT_DELIVERED] = { "Mail was delivered", "Your message was delivered, as you wished to know, to:" },
	             [REPORT_RELAYED] = { "Mail was passed on",
	                                  "Your message was passed on to another server, which will not tell what becomes of "
	                                  "it, for:" },
	             [REPORT_EXPANDED] = { "Mail was passed on to a group",
	                                   "Your message was passed on to the members of:" } } },
	{ .language = "de",
	  .from = "Mailsystem",
	  .intro = "Hier ist das Mailsystem auf %s.",
	  .id = "Die Kennung der Nachricht war hier %s.",
	  .until = "Die Zustellung wird bis %s weiter versucht.",
	  .kinds = { [REPORT_FAILED] = { "Unzustellbare Nachricht",
	                                 "Ihre Nachricht konnte diesen Empfängern nicht zugestellt werden:" },
	             [REPORT_DELAYED] = { "Die Zustellung verzögert sich",
	                                  "Ihre Nachricht konnte diesen Empfängern noch nicht zugestellt werden. Die Zustellung "
	                                  "wird weiter versucht; Sie brauchen nichts zu tun:" },
	             [REPORT_DELIVERED] = { "Nachricht zugestellt",
	                                    "Ihre Nachricht wurde wie gewünscht bestätigt zugestellt an:" },
	             [REPORT_RELAYED] = { "Nachricht weitergegeben",
	                                  "Ihre Nachricht wurde an einen anderen Server weitergegeben, der ihre Zustellung nicht "
	                                  "bestätigt, für:" },
	             [REPORT_EXPANDED] = { "Nachricht an eine Gruppe weitergegeben",
	                                   "Ihre Nachricht wurde an die Mitglieder dieser Gruppe weitergegeben:" } } },
	{ .language = "fr",
	  .from = "Système de messagerie",
	  .intro = "Ceci est le système de messagerie de %s.",
	  .id = "L'identifiant du message était ici %s.",
	  .until = "De nouvelles tentatives auront lieu jusqu'au %s.",
	  .kinds = { [REPORT_FAILED] = { "Message non remis",
	                                 "Votre message n'a pas pu être remis à ces destinataires :" },
	             [REPORT_DELAYED] = { "Remise du message retardée",
	                                  "Votre message n'a pas encore pu être remis à ces destinataires. De nouvelles "
	                                  "tentatives auront lieu ; vous n'avez rien à faire :" },
	             [REPORT_DELIVERED] = { "Message remis", "Comme vous l'avez demandé, votre message a été remis à :" },
	             [REPORT_RELAYED] = { "Message transmis",
	                                  "Votre message a été transmis à un autre serveur, qui ne confirmera pas sa remise, "
	                                  "pour :" },
	             [REPORT_EXPANDED] = { "Message transmis à un groupe",
	                                   "Votre message a été transmis aux membres de :" } } },
	{ .language = "es",
	  .from = "Sistema de correo",
	  .intro = "Este es el sistema de correo de %s.",
	  .id = "El identificador del mensaje aquí era %s.",
	  .until = "Se volverá a intentar hasta %s.",
	  .kinds = { [REPORT_FAILED] = { "Mensaje no entregado",
	                                 "Su mensaje no pudo entregarse a estos destinatarios:" },
	             [REPORT_DELAYED] = { "La entrega del mensaje se retrasa",
	                                  "Su mensaje aún no pudo entregarse a estos destinatarios. Se volverá a intentar; no "
	                                  "tiene que hacer nada:" },
	             [REPORT_DELIVERED] = { "Mensaje entregado", "Como pidió, le confirmamos que su mensaje se entregó a:" },
	             [REPORT_RELAYED] = { "Mensaje transmitido",
	                                  "Su mensaje se transmitió a otro servidor, que no confirmará la entrega, para:" },
	             [REPORT_EXPANDED] = { "Mensaje transmitido a un grupo",
	                                   "Su mensaje se transmitió a los miembros de:" } } },
	{ .language = "it",
	  .from = "Sistema di posta",
	  .intro = "Questo è il sistema di posta di %s.",
	  .id = "L'identificativo del messaggio qui era %s.",
	  .until = "Verranno fatti altri tentativi fino a %s.",
	  .kinds = { [REPORT_FAILED] = { "Messaggio non consegnato",
	                                 "Non è stato possibile consegnare il messaggio a questi destinatari:" },
	             [REPORT_DELAYED] = { "La consegna del messaggio è in ritardo",
	                                  "Non è stato ancora possibile consegnare il messaggio a questi destinatari. Verranno "
	                                  "fatti altri tentativi; non deve fare nulla:" },
	             [REPORT_DELIVERED] = { "Messaggio consegnato", "Come richiesto: il messaggio è stato consegnato a:" },
	             [REPORT_RELAYED] = { "Messaggio inoltrato",
	                                  "Il messaggio è stato inoltrato a un altro server, che non confermerà la consegna, "
	                                  "per:" },
	             [REPORT_EXPANDED] = { "Messaggio inoltrato a un gruppo",
	                                   "Il messaggio è stato inoltrato ai membri di:" } } },
	{ .language = "nl",
	  .from = "Mailsysteem",
	  .intro = "Dit is het mailsysteem van %s.",
	  .id = "Het kenmerk van het bericht was hier %s.",
	  .until = "Er wordt tot %s opnieuw geprobeerd.",
	  .kinds = { [REPORT_FAILED] = { "Bericht kon niet worden afgeleverd",
	                                 "Uw bericht kon niet bij deze ontvangers worden afgeleverd:" },
	             [REPORT_DELAYED] = { "Aflevering van bericht vertraagd",
	                                  "Uw bericht kon nog niet bij deze ontvangers worden afgeleverd. Er wordt opnieuw "
	                                  "geprobeerd; u hoeft niets te doen:" },
	             [REPORT_DELIVERED] = { "Bericht afgeleverd", "Zoals gevraagd: uw bericht is afgeleverd bij:" },
	             [REPORT_RELAYED] = { "Bericht doorgegeven",
	                                  "Uw bericht is doorgegeven aan een andere server, die de aflevering niet bevestigt, "
	                                  "voor:" },
	             [REPORT_EXPANDED] = { "Bericht doorgegeven aan een groep",
	                                   "Uw bericht is doorgegeven aan de leden van:" } } },
};

const struct report_words *report_words_of(const char *language)
{
	for (size_t i = 0; i < ARRAY_SIZE(languages); i++) {
		size_t len = strlen(languages[i].language);

		if (span_eq_nocase(span_head(span_of(language), len), span_of(languages[i].language)) &&
		    (language[len] == '\0' || language[len] == '-' || language[len] == '_'))
			return &languages[i];
	}
	return NULL;
}
