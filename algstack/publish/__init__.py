"""Publishing a release: to the Hugging Face Hub, to object storage, to a folder."""
