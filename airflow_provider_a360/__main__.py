"""`python -m airflow_provider_a360 …`."""

import sys

if sys.argv[1:] == ["demo"]:
    # Not through `cli`, which imports Airflow: that would create files in the user's AIRFLOW_HOME.
    from airflow_provider_a360.demo import demo

    demo()
else:
    from airflow_provider_a360.cli import main

    main()
