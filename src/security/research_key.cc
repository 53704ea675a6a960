#include "security/research_key.h"

#include <algorithm>
#include <span>

#include "base/bytes.h"
#include "base/sha256.h"
#include "security/private_file.h"

namespace weir::security {
namespace {

constexpr size_t kKeyBytes = 32;
constexpr std::string_view kName = "research.key";
constexpr size_t kPseudonymDigits = 32;

}  // namespace

base::Result<ResearchKey> ResearchKey::LoadOrCreate(const std::string& data_dir) {
  const std::string directory = data_dir + "/keys";
  const std::string path = directory + "/" + std::string(kName);
  WEIR_ASSIGN_OR_RETURN(std::optional<std::string> text, ReadPrivate(path, 4096));
  const bool created = !text;
  if (created) {
    text = base::ToHex(RandomBytes(kKeyBytes)) + "\n";
    WEIR_RETURN_IF_ERROR(ReplacePrivate(directory, std::string(kName), *text));
  }
  ResearchKey key;
  key.created_ = created;
  std::string_view digits = *text;
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
