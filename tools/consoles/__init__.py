"""Builders of the saved objects of Kibana and OpenSearch Dashboards from `kibana/sources`."""
