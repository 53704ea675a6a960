// What a report means: answers read, cleansed, scored, and the risk they show. Pure functions of
// the report's bytes and the definition it names; the same input gives the same output for ever.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "clinical/definition.h"

namespace weir::clinical {

// `data` of a report: the JSON value as it was sent (a string, an object of link id → code, number,
// text, boolean, array of these or null; or a FHIR R4 QuestionnaireResponse).

// The link ids that `data` answers (null is an answer here), without a leading '/', for
// Catalog::Infer. Empty for free text. Views into `data`, or, for a link id written with escapes,
// into storage of this thread that lasts until it calls a function of this header again.
std::vector<std::string_view> LinkIds(std::string_view data_json);

// What a QuestionnaireResponse says of itself; empty for any other data. Views as above.
struct ResponseHead {
  std::optional<int64_t> authored_ms;
  std::string_view questionnaire;  // canonical, without "|version"; Catalog::Find() knows it
};
ResponseHead ReadResponseHead(std::string_view data_json);

struct Triage {
  Level level = Level::kNone;
  std::string reason;  // "item 44260-8 is 2": codes and numbers only; empty for kNone
};
// The definition's rules that look at this one report only. Quick: it runs at intake, on the loop.
Triage TriageReport(const Definition& definition, std::string_view data_json);

// All that intake asks of a report, its data read once.
struct FirstLook {
  // The instrument named; if none is (an empty name), the one that a QuestionnaireResponse says it
  // answers; else the one that the link ids tell. Nullptr: not known. The catalogue's.
  const Definition* definition = nullptr;
  Triage triage;
  std::optional<int64_t> authored_ms;  // a QuestionnaireResponse's own
};
FirstLook LookAt(const Catalog& catalog, std::string_view instrument, std::string_view data_json);

// A rule of cleansing that touched an answer: "code-from-score", "trimmed", "number-from-text",
// "unit-converted", "out-of-range", "unanswered-required", "unknown-item", "unknown-code",
// "time-implausible", … Stable names, listed in docs/instruments.md. Those of CleanItem::rules are
// here too.
struct Flag {
  std::string rule;
  std::string address;  // of the item; empty: the whole report
};

// Version of the cleansing rules; stored with every cleaned value.
inline constexpr int kCleanseVersion = 1;

// One answer. An item that was answered several times (it repeats, or its link id was sent twice)
// has one of these for each, in the order in which they were sent.
struct CleanItem {
  std::string address;
  std::string original;             // JSON, as it was sent
  std::optional<std::string> code;  // cleaned answer, where it is a coded one
  std::optional<double> number;     // cleaned number
  std::optional<std::string> text;  // cleaned text (also display texts given as answers)
  std::optional<double> score;
  std::vector<std::string> rules;  // cleansing rules that changed or flagged it
};

struct Evaluation {
  std::vector<CleanItem> items;  // in the definition's order, then unknown ones as sent
  std::vector<Flag> flags;
  std::optional<double> total;
  std::string band;             // empty if not scored or no band fits
  std::string unscored_reason;  // "item 44255-8 is not answered": empty if scored
  Level level = Level::kNone;   // single-report rules only
  std::string reason;           // of the level
};

struct ReportTimes {
  int64_t received_ms = 0;
  std::optional<int64_t> authored_ms;
};

// `definition` may be null: then the answers are kept as they are, flagged "unknown-instrument" (or
// nothing, for free text without an instrument), and unscored_reason says why there is none:
// `named` is whether the sender named an instrument beside `data`.
Evaluation Evaluate(const Definition* definition, std::string_view data_json,
                    const ReportTimes& times, bool named = true);

// The rules that compare with the patient's previous report of the same instrument, by offset.
Triage Compare(const Definition& definition, double previous_total, double total);

}  // namespace weir::clinical
