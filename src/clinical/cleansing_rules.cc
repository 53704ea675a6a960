#include "clinical/cleansing_rules.h"

#include <iterator>

namespace weir::clinical {
namespace {

constexpr std::string_view kNames[] = {
    "trimmed",         "spaces-replaced",     "code-from-score",
    "code-from-text",  "code-case",           "number-from-text",
    "decimal-comma",   "boolean-from-text",   "boolean-from-number",
    "unit-converted",  "unit-assumed",        "unit-unknown",
    "unknown-code",    "ambiguous-text",      "system-differs",
    "display-differs", "out-of-range",        "not-integer",
    "wrong-type",      "unreadable",          "line-break",
    "uri-invalid",     "time-implausible",    "total-differs",
    "duplicate-item",  "too-many-answers",    "not-answerable",
    "unknown-item",    "unanswered-required", "unknown-instrument",
    "free-text",       "malformed",           "unsupported-resource",
    "answers-cut"};
static_assert(std::size(kNames) == kRules);

}  // namespace

std::string_view Name(Rule rule) { return kNames[static_cast<size_t>(rule)]; }

}  // namespace weir::clinical
