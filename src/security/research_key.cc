#include "security/research_key.h"

#include <algorithm>
#include <span>

#include "base/bytes.h"
#include "base/sha256.h"
#include "security/private_file.h"

namespace weir::security {
namespace {

constexpr size_t kKeyBytes = 32;
constexpr size_t kFileBytesMax = 4096;
constexpr const char* kName = "research.key";
constexpr size_t kPseudonymDigits = 32;

std::string DirectoryOf(const std::string& data_dir) { return data_dir + "/keys"; }

}  // namespace

base::Result<ResearchKey> ResearchKey::Load(const std::string& data_dir) {
  const std::string path = DirectoryOf(data_dir) + "/" + kName;
  WEIR_ASSIGN_OR_RETURN(const std::optional<std::string> text, ReadPrivate(path, kFileBytesMax));
  if (!text) {
    return base::Fail(base::ErrorCode::kNotFound,
                      path +
                          " is missing; restore it from a copy, since another key would give every "
                          "patient another pseudonym");
  }
  return Parse(path, *text);
}

base::Result<ResearchKey> ResearchKey::LoadOrCreate(const std::string& data_dir) {
  auto loaded = Load(data_dir);
  if (loaded || loaded.error().code != base::ErrorCode::kNotFound) return loaded;
  const std::string text = base::ToHex(RandomBytes(kKeyBytes)) + "\n";
  WEIR_RETURN_IF_ERROR(ReplacePrivate(DirectoryOf(data_dir), kName, text));
  auto made = Parse(kName, text);
  made->created_ = true;
  return made;
}

base::Result<ResearchKey> ResearchKey::Parse(const std::string& path, std::string_view digits) {
  ResearchKey key;
  if (digits.ends_with('\n')) digits.remove_suffix(1);
  if (!base::FromHex(digits, key.key_)) {
    return base::Fail(base::ErrorCode::kCorruption,
                      path +
                          " is not a key of 64 hexadecimal digits; restore it from a copy, since "
                          "another key would give every patient another pseudonym");
  }
  return key;
}

std::string ResearchKey::Pseudonym(std::string_view study_id, std::string_view patient_id) const {
  const base::Digest study = base::HmacSha256(bytes(), study_id);
  return base::HmacSha256(study.view(), patient_id).hex().substr(0, kPseudonymDigits);
}

}  // namespace weir::security
