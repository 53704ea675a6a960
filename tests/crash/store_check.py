"""A direct look at the store of a stopped server: what is applied, and how often."""

import sqlite3

# Every report of a study leaves one row, or one count, with each of these.
COUNTS = {
    "cleansed": "SELECT count(*) FROM cleansed t JOIN context c ON c.id = t.context"
                " WHERE c.study_id = ?",
    "assessed": "SELECT count(*) FROM assessed t JOIN context c ON c.id = t.context"
                " WHERE c.study_id = ?",
    "research": "SELECT count(*) FROM research t JOIN context c ON c.id = t.context"
                " WHERE c.study_id = ?",
    "diary": "SELECT count(*) FROM diary_report t JOIN context c ON c.id = t.context"
             " WHERE c.study_id = ?",
    "diary's own count": "SELECT coalesce(sum(reports), 0) FROM diary_study WHERE study_id = ?",
    "analytics": "SELECT coalesce(sum(received), 0) FROM analytics WHERE study_id = ?",
}
REPEATED = {
    "report ids in the diary": "SELECT report_id, count(*) FROM diary_report t"
                               " JOIN context c ON c.id = t.context WHERE c.study_id = ?"
                               " GROUP BY report_id HAVING count(*) > 1",
    "alerts of one report": "SELECT report_id, count(*) FROM alerts WHERE study_id = ?"
                            " GROUP BY report_id HAVING count(*) > 1",
}


def check_store(path, study, acknowledged, unknown=0):
    """What is wrong, as sentences. `unknown` reports were sent, and neither acknowledged nor
    refused: they may be there or not."""
    wrong = []
    store = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        for name, sql in COUNTS.items():
            count = store.execute(sql, [study]).fetchone()[0]
            if not acknowledged <= count <= acknowledged + unknown:
                wrong.append(f"{name}: {count} reports of {study}, {acknowledged} were acknowledged")
        for name, sql in REPEATED.items():
            for report_id, count in store.execute(sql, [study]).fetchmany(5):
                wrong.append(f"{name}: {report_id} is there {count} times")
    finally:
        store.close()
    return wrong
