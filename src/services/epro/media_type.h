// What a body says it is (Content-Type). Names are compared in any case and parameters passed over;
// a body that says nothing counts as what its path takes.
#pragma once

#include <string_view>

namespace weir::epro {

// application/json, and what is written in it: application/fhir+json.
bool IsJson(std::string_view content_type);

// JSON, a value on each line: application/x-ndjson, its other names, or simply JSON.
bool IsJsonLines(std::string_view content_type);

}  // namespace weir::epro
