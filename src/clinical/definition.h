// An instrument: a FHIR R4 Questionnaire with answer scores, and its rules (bands, risk) beside it.
//
// A Definition is immutable and named by its hash, the SHA-256 over both files as they were given:
// a report is scored by the definition whose hash it carries, however many years later.
// Everything here is deterministic and pure; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/sha256.h"

namespace weir::clinical {

struct AnswerOption {
  std::string code;             // "LA6568-5"
  std::string display;          // "Not at all"
  std::optional<double> score;  // ordinalValue or itemWeight
};

enum class ItemType {
  kGroup,
  kDisplay,
  kChoice,
  kInteger,
  kDecimal,
  kBoolean,
  kDate,
  kDateTime,
  kTime,
  kString,
  kText,
  kUrl,
  kQuantity,
  kAttachment,
  kReference
};

struct Item {
  std::string link_id;  // as written in the file
  std::string address;  // link_id without a leading '/': what answers are matched by
  std::string text;
  ItemType type = ItemType::kChoice;
  bool required = false;
  bool repeats = false;
  bool scored = false;     // counts towards the total
  bool safe_text = false;  // free text that the research tables may carry (rules file)
  std::vector<AnswerOption> options;
  std::optional<double> minimum, maximum;
  std::string unit;  // UCUM, if the questionnaire or the rules name one
};

struct Band {
  std::string name;
  double low = 0, high = 0;
};  // inclusive

// "none" < "elevated" < "urgent".
enum class Level : uint8_t { kNone = 0, kElevated = 1, kUrgent = 2 };
std::string_view Name(Level level);

class Definition {
 public:
  // Errors name the file's part and what is wrong with it ("rules: risk[1].item: no item
  // '44260-0'").
  static base::Result<std::shared_ptr<const Definition>> Compile(
      std::string_view questionnaire_json, std::string_view rules_yaml);
  virtual ~Definition() = default;
  virtual const std::string& name() const = 0;  // "phq9": from the rules, else the questionnaire
  virtual const std::string& title() const = 0;
  virtual const base::Digest& hash() const = 0;
  virtual const std::string& rules_version() const = 0;
  virtual const std::string& total_code() const = 0;   // LOINC of the total; empty if none
  virtual const std::vector<Item>& items() const = 0;  // leaves, in order
  virtual const std::vector<Band>& bands() const = 0;
  // Whether some rule compares with the patient's previous report.
  virtual bool compares() const = 0;
  // The two files, to be journalled; Unpack() then Compile() gives the same hash.
  virtual std::string Pack() const = 0;
  static base::Result<std::shared_ptr<const Definition>> Unpack(std::string_view packed);

 private:
  Definition() = default;
  friend class CompiledDefinition;  // the only kind there is
};

// The definitions in force, by name, and how an instrument that was not named is inferred.
// Immutable once built: a reload builds another.
class Catalog {
 public:
  // Every `NAME.json` with `NAME.rules.yaml` beside it (the rules may be missing: then nothing is
  // banded and no risk is seen). An unreadable pair is an error that names the file.
  static base::Result<std::shared_ptr<const Catalog>> Load(const std::string& directory);
  static std::shared_ptr<const Catalog> Of(std::vector<std::shared_ptr<const Definition>>);
  virtual ~Catalog() = default;
  virtual const std::vector<std::shared_ptr<const Definition>>& all() const = 0;
  // By name, or by the panel's code (44249-1), case-insensitive. Nullptr: unknown.
  virtual const Definition* Find(std::string_view name_or_code) const = 0;
  // The one definition that has all these addresses (a leading '/' ignored); nullptr if none or
  // several fit, or the list is empty.
  virtual const Definition* Infer(const std::vector<std::string_view>& link_ids) const = 0;
};

}  // namespace weir::clinical
