#include "services/epro/media_type.h"

#include <algorithm>
#include <array>
#include <string>

namespace weir::epro {
namespace {

// No name that is looked for is longer.
constexpr size_t kNameMax = 64;

constexpr std::array<std::string_view, 5> kLines = {"application/x-ndjson", "application/ndjson",
                                                    "application/jsonl", "application/jsonlines",
                                                    "application/x-jsonlines"};

// "application/json" of " Application/JSON ; charset=utf-8".
std::string NameOf(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  while (content_type.starts_with(' ')) content_type.remove_prefix(1);
  while (content_type.ends_with(' ')) content_type.remove_suffix(1);
  std::string name(content_type.substr(0, kNameMax + 1));
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return name;
}

bool IsJsonName(std::string_view name) {
  return name.empty() || name == "application/json" ||
         (name.size() <= kNameMax && name.starts_with("application/") && name.ends_with("+json"));
}

}  // namespace

bool IsJson(std::string_view content_type) {
  // As nearly everybody writes it.
  return content_type == "application/json" || IsJsonName(NameOf(content_type));
}

bool IsJsonLines(std::string_view content_type) {
  const std::string name = NameOf(content_type);
  return IsJsonName(name) || std::ranges::find(kLines, name) != kLines.end();
}

}  // namespace weir::epro
