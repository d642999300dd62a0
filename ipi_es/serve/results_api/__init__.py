"""The results API, in the form of Elastic ML's."""
