// The parsers of a run file, behind the checksums that would keep most damage from them: nothing
// that they accept may be read past its end. The first byte chooses the parser.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "journal/run_format.h"

namespace {

using weir::base::AppendInt;
using weir::base::Crc32c;

weir::journal::Key KeyFrom(std::string_view bytes) {
  weir::journal::Key key;
  bytes.copy(reinterpret_cast<char*>(key.bytes.data()), key.bytes.size());
  return key;
}

void Filter(std::string_view bytes) {
  const auto filter = weir::journal::KeyFilter::Parse(bytes);
  if (!filter) return;
  for (size_t at = 0; at < bytes.size(); ++at) {
    static_cast<void>(filter->MayContain(KeyFrom(bytes.substr(at))));
  }
  std::string again;
  filter->AppendTo(again);
  WEIR_CHECK(again.size() == bytes.size());
}

void Section(std::string_view body) {
  std::string header;
  AppendInt(header, static_cast<uint32_t>(body.size()));
  AppendInt(header, Crc32c(body));
  const auto slice = weir::journal::ParseSection(header, body);
  if (!slice) return;
  static_cast<void>((*slice)->filter.MayContain((*slice)->first));
  WEIR_CHECK(weir::journal::SectionBytes(**slice).size() == header.size() + body.size());
}

void Footer(std::string_view bytes) {
  std::string footer(bytes);
  AppendInt(footer, Crc32c(bytes));
  const auto parsed = weir::journal::ParseFooter(footer);
  if (!parsed) return;
  WEIR_CHECK(weir::journal::ParseFooter(weir::journal::FooterBytes(*parsed)).has_value());
}

void Name(std::string_view name) {
  const auto range = weir::journal::ParseRunName(name);
  if (!range) return;
  const auto again = weir::journal::ParseRunName(weir::journal::RunName(*range));
  WEIR_CHECK(again && again->begin == range->begin && again->end == range->end);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'f':
      Filter(bytes);
      break;
    case 's':
      Section(bytes);
      break;
    case 'e':
      Footer(bytes);
      break;
    case 'n':
      Name(bytes);
      break;
    default:
      break;
  }
  return 0;
}
