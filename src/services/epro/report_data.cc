#include "services/epro/report_data.h"

#include "clinical/json_reader.h"

namespace weir::epro {

std::string_view ReportData(std::string_view body) {
  clinical::JsonReader reader(body);
  reader.BeginObject();
  clinical::JsonString key;
  while (reader.NextMember(&key)) {
    reader.Peek();
    const char* const from = reader.at();
    reader.Skip();
    if (reader.failed()) return {};
    if (key.escaped ? clinical::Unescape(key.raw) == "data" : key.raw == "data") {
      return {from, static_cast<size_t>(reader.at() - from)};
    }
  }
  return {};
}

}  // namespace weir::epro
