"""The log files of the field's practice: AutoLog reports (`autolog`) and reprod_log files (`reprod`)."""
