#include "services/epro/schema.h"

#include "alerts/inbox.h"
#include "tasks/engine.h"

namespace weir::epro {
namespace {

// Rows of reports are appended under the offset of their record and have no other index: the
// journal keeps (study, report id) unique, so an offset stands for one report. Texts that many rows
// share stand once in context, answer and outcome; their ids are hashes of what they hold, so they
// are the same in every store made from the same journal.
constexpr std::string_view kReports = R"sql(
CREATE TABLE context(
  id INTEGER PRIMARY KEY,
  study_id TEXT NOT NULL,
  site_id TEXT NOT NULL,
  instrument TEXT NOT NULL,       -- the definition's name, else as the sender named it
  definition BLOB NOT NULL,       -- hash; empty: no definition in force
  rules_version TEXT NOT NULL
) STRICT;
CREATE INDEX context_of_study ON context(study_id, site_id);

CREATE TABLE answer(
  id INTEGER PRIMARY KEY,
  address TEXT NOT NULL,
  original TEXT NOT NULL,         -- JSON, as it was sent
  code TEXT NOT NULL,
  number REAL,
  score REAL,
  rules TEXT NOT NULL             -- cleansing rules that touched it, with a space between
) STRICT;

CREATE TABLE outcome(
  id INTEGER PRIMARY KEY,
  band TEXT NOT NULL,
  level TEXT NOT NULL,
  reason TEXT NOT NULL,
  unscored_reason TEXT NOT NULL
) STRICT;

CREATE TABLE cleansed(
  record_offset INTEGER PRIMARY KEY,
  context INTEGER NOT NULL,
  version INTEGER NOT NULL,       -- of the cleansing rules
  flags TEXT NOT NULL,            -- JSON: [[rule, address], …]
  items TEXT NOT NULL             -- JSON: the id of an answer, or {"a","o","c","n","t","s","r"}
) STRICT;

CREATE TABLE conflict(
  study_id TEXT NOT NULL,
  record_offset INTEGER NOT NULL,
  report_id TEXT NOT NULL,
  patient_id TEXT NOT NULL,
  first_offset INTEGER,           -- of the report that has the id; null: not known any more
  received_ms INTEGER NOT NULL,
  PRIMARY KEY(study_id, record_offset)
) STRICT, WITHOUT ROWID;

CREATE TABLE assessed(
  record_offset INTEGER PRIMARY KEY,
  context INTEGER NOT NULL,
  outcome INTEGER NOT NULL,
  total REAL
) STRICT;

-- The previous scored report of a patient with an instrument and its total, for rules that compare
-- with it. Tables with a log: effects/patient_heads.h.
CREATE TABLE compared(
  patient INTEGER PRIMARY KEY,    -- hash of study, patient, instrument
  last_offset INTEGER NOT NULL,
  value REAL NOT NULL
) STRICT;
CREATE TABLE compared_log(
  id INTEGER PRIMARY KEY,
  patient INTEGER NOT NULL,
  last_offset INTEGER NOT NULL,
  value REAL NOT NULL
) STRICT;

CREATE TABLE analytics(
  study_id TEXT NOT NULL,
  day INTEGER NOT NULL,           -- received; days since 1970-01-01, UTC
  site_id TEXT NOT NULL,
  instrument TEXT NOT NULL,
  received INTEGER NOT NULL,
  late INTEGER NOT NULL,          -- authored more than 24 h before received
  scored INTEGER NOT NULL,
  bands TEXT NOT NULL,            -- JSON: [[band, count], …]
  scores TEXT NOT NULL,           -- JSON: [[score, count], …]
  PRIMARY KEY(study_id, day, site_id, instrument)
) STRICT, WITHOUT ROWID;

CREATE TABLE research(
  record_offset INTEGER PRIMARY KEY,
  visible_at INTEGER,             -- null: its own offset
  context INTEGER NOT NULL,
  pseudonym BLOB NOT NULL,
  received_ms INTEGER NOT NULL,
  authored_ms INTEGER,
  outcome INTEGER NOT NULL,
  total REAL,
  items TEXT NOT NULL             -- as in cleansed, without free text
) STRICT;

CREATE TABLE diary_report(
  record_offset INTEGER PRIMARY KEY,
  context INTEGER NOT NULL,
  patient_id TEXT NOT NULL,
  report_id TEXT NOT NULL,
  received_ms INTEGER NOT NULL,
  authored_ms INTEGER,
  patient_previous INTEGER,       -- the patient's, the site's, the study's report before this one
  site_previous INTEGER,
  study_previous INTEGER
) STRICT;

-- A patient's newest report and the number of all.
CREATE TABLE diary_patient(
  patient INTEGER PRIMARY KEY,    -- hash of study and patient
  last_offset INTEGER NOT NULL,
  value REAL NOT NULL
) STRICT;
CREATE TABLE diary_patient_log(
  id INTEGER PRIMARY KEY,
  patient INTEGER NOT NULL,
  last_offset INTEGER NOT NULL,
  value REAL NOT NULL
) STRICT;

CREATE TABLE diary_site(
  study_id TEXT NOT NULL,
  site_id TEXT NOT NULL,
  last_offset INTEGER NOT NULL,
  reports INTEGER NOT NULL,
  PRIMARY KEY(study_id, site_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE diary_study(
  study_id TEXT PRIMARY KEY,
  last_offset INTEGER NOT NULL,
  reports INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE VIEW research_report AS
SELECT r.record_offset, coalesce(r.visible_at, r.record_offset) AS visible_at, c.study_id,
       c.site_id, lower(hex(r.pseudonym)) AS pseudonym, c.instrument,
       lower(hex(c.definition)) AS definition, c.rules_version,
       strftime('%Y-%m-%dT%H:%M:%fZ', r.received_ms / 1000.0, 'unixepoch') AS received_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', r.authored_ms / 1000.0, 'unixepoch') AS authored_at
FROM research r JOIN context c ON c.id = r.context;

CREATE VIEW research_item AS
SELECT r.record_offset, coalesce(r.visible_at, r.record_offset) AS visible_at, c.study_id,
       lower(hex(r.pseudonym)) AS pseudonym, c.instrument, j.key AS n,
       coalesce(a.address, j.value ->> 'a') AS item,
       coalesce(a.original, j.value ->> 'o') AS original,
       coalesce(a.code, j.value ->> 'c') AS code,
       coalesce(a.number, j.value ->> 'n') AS number,
       j.value ->> 't' AS text,
       coalesce(a.score, j.value ->> 's') AS score,
       coalesce(a.rules, j.value ->> 'r') AS rules,
       coalesce(j.value ->> 'w', 0) AS withheld
FROM research r JOIN context c ON c.id = r.context JOIN json_each(r.items) j
     LEFT JOIN answer a ON j.type = 'integer' AND a.id = j.value;

CREATE VIEW research_score AS
SELECT r.record_offset, coalesce(r.visible_at, r.record_offset) AS visible_at, c.study_id,
       lower(hex(r.pseudonym)) AS pseudonym, c.instrument, r.total, o.band, o.level,
       o.unscored_reason
FROM research r JOIN context c ON c.id = r.context JOIN outcome o ON o.id = r.outcome;
)sql";

constexpr store::Migration kMigrations[] = {{200, "patients' reports", kReports}};

}  // namespace

std::span<const store::Migration> Migrations() { return kMigrations; }

std::vector<store::Migration> StoreMigrations() {
  std::vector<store::Migration> all(tasks::Migrations().begin(), tasks::Migrations().end());
  all.insert(all.end(), alerts::Migrations().begin(), alerts::Migrations().end());
  all.insert(all.end(), Migrations().begin(), Migrations().end());
  return all;
}

}  // namespace weir::epro
