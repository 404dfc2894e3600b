from app.bench_ingest import ingest_ratio


def test_the_benchmark_of_ingestion_measures_each_way():
    found = ingest_ratio(rows=2000, runs=1)
    assert found["rows"] == 2000
    assert found["ingest_ratio"] == found["ingest_seconds"] / found["read_csv_seconds"]
    assert {"ingest_zip_ratio", "ingest_keeping_trades_ratio"} <= found.keys()
