#include <algorithm>
#include <filesystem>
#include <fstream>
#include <unordered_map>

#include "clinical/compiled.h"
#include "clinical/text.h"

namespace weir::clinical {
namespace {

using base::ErrorCode;
using base::Fail;
using base::Result;

namespace fs = std::filesystem;

// A directory with more instruments than this is not one of instruments.
constexpr size_t kDefinitionsMax = 1'000;

struct Named {
  std::shared_ptr<const Definition> definition;
  std::string file_name;  // without its ending; may be empty
};

class BuiltCatalog final : public Catalog {
 public:
  explicit BuiltCatalog(std::vector<Named> named) {
    for (Named& entry : named) all_.push_back(std::move(entry.definition));
    // What a definition calls itself comes before what others call theirs besides.
    for (const auto& definition : all_) Call(definition->name(), definition.get());
    for (size_t i = 0; i < all_.size(); ++i) {
      if (!named[i].file_name.empty()) Call(named[i].file_name, all_[i].get());
      for (const std::string& other : CompiledDefinition::Of(*all_[i]).other_names()) {
        Call(other, all_[i].get());
      }
    }
    words_ = (all_.size() + 63) / 64;
    std::vector<std::pair<std::string, int32_t>> entries;
    std::unordered_map<std::string, int32_t> numbers;
    for (size_t i = 0; i < all_.size(); ++i) {
      for (std::string& address : CompiledDefinition::Of(*all_[i]).KnownAddresses()) {
        const auto [at, fresh] =
            numbers.emplace(std::move(address), static_cast<int32_t>(numbers.size()));
        if (fresh) {
          entries.emplace_back(at->first, at->second);
          holders_.resize(holders_.size() + words_);
        }
        holders_[static_cast<size_t>(at->second) * words_ + i / 64] |= uint64_t{1} << i % 64;
      }
    }
    addresses_ = AddressTable(entries);
  }

  const std::vector<std::shared_ptr<const Definition>>& all() const override { return all_; }

  const Definition* Find(std::string_view name_or_code) const override {
    if (name_or_code.size() > 512) return nullptr;
    const auto found = names_.find(LowerCase(Trim(name_or_code)));
    return found == names_.end() ? nullptr : found->second;
  }

  const Definition* Infer(const std::vector<std::string_view>& link_ids) const override {
    if (link_ids.empty() || all_.empty()) return nullptr;
    const Definition* only = nullptr;
    for (size_t word = 0; word < words_; ++word) {
      uint64_t holders = ~uint64_t{0};
      for (const std::string_view link_id : link_ids) {
        const int32_t number = addresses_[Address(link_id)];
        if (number == AddressTable::kNone) return nullptr;
        holders &= holders_[static_cast<size_t>(number) * words_ + word];
      }
      if (holders == 0) continue;
      if (only != nullptr || !std::has_single_bit(holders)) return nullptr;
      only = all_[word * 64 + static_cast<size_t>(std::countr_zero(holders))].get();
    }
    return only;
  }

 private:
  void Call(const std::string& name, const Definition* definition) {
    names_.emplace(LowerCase(Trim(name)), definition);  // the first to take a name keeps it
  }

  std::vector<std::shared_ptr<const Definition>> all_;
  std::unordered_map<std::string, const Definition*> names_;
  // Which definitions know an address: one bit each, words_ words per address.
  AddressTable addresses_;
  std::vector<uint64_t> holders_;
  size_t words_ = 0;
};

Result<std::string> ReadWhole(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  // One byte past the limit is enough for Compile() to see that it is exceeded.
  std::string content(kFileBytesMax + 1, '\0');
  file.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (!file.is_open() || file.bad()) {
    return Fail(ErrorCode::kIo, path.filename().string() + ": cannot be read");
  }
  content.resize(static_cast<size_t>(file.gcount()));
  return content;
}

Result<std::shared_ptr<const Definition>> LoadPair(const fs::path& questionnaire,
                                                   const fs::path& rules) {
  WEIR_ASSIGN_OR_RETURN(const std::string json, ReadWhole(questionnaire));
  std::string yaml;
  std::error_code ignored;
  if (fs::exists(rules, ignored)) {
    WEIR_ASSIGN_OR_RETURN(yaml, ReadWhole(rules));
  }
  auto definition = Definition::Compile(json, yaml);
  if (!definition) {
    const bool in_rules = definition.error().message.starts_with("rules: ");
    return Fail(definition.error().code, (in_rules ? rules : questionnaire).filename().string() +
                                             ": " + definition.error().message);
  }
  return definition;
}

}  // namespace

Result<std::shared_ptr<const Catalog>> Catalog::Load(const std::string& directory) {
  std::error_code error;
  std::vector<fs::path> questionnaires, rules;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.ends_with(".json")) questionnaires.push_back(entry->path());
    if (name.ends_with(".rules.yaml")) rules.push_back(entry->path());
  }
  if (error) {
    return Fail(ErrorCode::kIo, "the directory of instruments " + directory +
                                    " cannot be read: " + error.message());
  }
  if (questionnaires.size() > kDefinitionsMax) {
    return Fail(ErrorCode::kTooLarge, directory + " holds more than 1,000 instruments");
  }
  std::sort(questionnaires.begin(), questionnaires.end());
  for (const fs::path& path : rules) {
    const std::string name = path.filename().string();
    const fs::path partner =
        path.parent_path() /
        (name.substr(0, name.size() - std::string_view(".rules.yaml").size()) + ".json");
    if (!std::binary_search(questionnaires.begin(), questionnaires.end(), partner)) {
      return Fail(ErrorCode::kNotFound,
                  name + ": there is no " + partner.filename().string() + " beside it");
    }
  }
  std::vector<Named> named;
  for (const fs::path& path : questionnaires) {
    const std::string stem = path.stem().string();
    WEIR_ASSIGN_OR_RETURN(auto definition,
                          LoadPair(path, path.parent_path() / (stem + ".rules.yaml")));
    for (const Named& earlier : named) {
      if (!EqualsIgnoringCase(earlier.definition->name(), definition->name())) continue;
      return Fail(ErrorCode::kConflict, path.filename().string() + ": its name '" +
                                            definition->name() + "' is that of " +
                                            earlier.file_name + ".json");
    }
    named.push_back({std::move(definition), stem});
  }
  return std::make_shared<BuiltCatalog>(std::move(named));
}

std::shared_ptr<const Catalog> Catalog::Of(
    std::vector<std::shared_ptr<const Definition>> definitions) {
  std::vector<Named> named;
  for (auto& definition : definitions) named.push_back({std::move(definition), {}});
  return std::make_shared<BuiltCatalog>(std::move(named));
}

}  // namespace weir::clinical
